/** Normalization: the public operations, by file. */
export { type BatchNormOptions, batchNorm } from './batch';
export { type AffineOptions, groupNorm, layerNorm, type RmsNormOptions, rmsNorm } from './groups';
export { type InstanceNormOptions, instanceNorm } from './instance';
export { type LocalResponseNormOptions, localResponseNorm, type NormalizeOptions, normalize } from './local';
export {
	type CosineSimilarityOptions,
	cdist,
	cosineSimilarity,
	type PairwiseDistanceOptions,
	pairwiseDistance,
} from './similarity';
