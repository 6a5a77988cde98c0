/** Losses, grouped by what they compare. */
export {
	type CrossEntropyOptions,
	crossEntropy,
	type MultiMarginOptions,
	multiMarginLoss,
	type NllOptions,
	nllLoss,
} from './classes';
export { type CtcOptions, ctcLoss, type Lengths } from './ctc';
export { type MultiLabelSoftMarginOptions, multiLabelMarginLoss, multiLabelSoftMarginLoss } from './multiLabel';
export {
	binaryCrossEntropy,
	binaryCrossEntropyWithLogits,
	type GaussianNllOptions,
	gaussianNllLoss,
	type HuberOptions,
	hingeEmbeddingLoss,
	hingeLoss,
	huberLoss,
	type KlDivOptions,
	klDiv,
	type LogitsOptions,
	l1Loss,
	type MarginOptions,
	mseLoss,
	type PoissonNllOptions,
	poissonNllLoss,
	type SmoothL1Options,
	smoothL1Loss,
	softMarginLoss,
	type WeightedOptions,
} from './pointwise';
export type { LossOptions, Reduction } from './reduction';
export {
	type CosineEmbeddingOptions,
	cosineEmbeddingLoss,
	type Distance,
	type MarginRankingOptions,
	marginRankingLoss,
	type TripletDistanceOptions,
	type TripletMarginOptions,
	tripletMarginLoss,
	tripletMarginWithDistanceLoss,
} from './similarity';
