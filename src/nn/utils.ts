/** The namespace `nn.utils`, as `torch.nn.utils`. */
export {
	PackedSequence,
	type PackPaddedSequenceOptions,
	type PackSequenceOptions,
	type PadPackedSequenceOptions,
	packPaddedSequence,
	packSequence,
	padPackedSequence,
} from './packed';
export { type SpectralNormOptions, spectralNorm } from './spectralNorm';
export { type PadSequenceOptions, padSequence, parametersToVector, vectorToParameters } from './vectors';
export { type WeightNormOptions, weightNorm } from './weightNorm';
