/** The namespace `nn.utils`, as `torch.nn.utils`. */
export { type SpectralNormOptions, spectralNorm } from './spectralNorm';
export { type PadSequenceOptions, padSequence, parametersToVector, vectorToParameters } from './vectors';
export { type WeightNormOptions, weightNorm } from './weightNorm';
