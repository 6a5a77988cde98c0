/** `wgrad/data`: datasets, loaders, readers and transforms. In Node, `node/` adds reading by path. */
export { ArrayDataset, type HostArray, type HostData } from './arrayDataset';
export { defaultCollate, type TensorList as Fields, type TensorList } from './batch';
export { CIFAR10_CLASSES, type LabelledArrays, parseCifar10, parseCifar100 } from './cifar';
export { ConcatDataset, MapDataset, type MapOptions, Subset } from './combine';
export { type CategoricalColumn, type CsvColumn, type CsvOptions, CsvTable, type NumericColumn, parseCsv } from './csv';
export { type Dataset, IterableDataset, type StreamContext } from './dataset';
export { type DroppedFile, filesFromDrop, readImageFolder } from './droppedFiles';
export { type Fold, type FoldOptions, KFold, StratifiedKFold } from './folds';
export { type IdxArray, parseIdx } from './idx';
export { decodeImage, encodePng, type Image, type ImageOptions } from './image';
export { type FileEntry, ImageFolder, type ImageFolderOptions } from './imageFolder';
export { type ImageGridOptions, imageGrid, imageTensor } from './imageTensor';
export { type BatchTransform, DataLoader, type DataLoaderOptions, type DataLoaderState, type EpochPosition } from './loader';
export { type FromPixelsOptions, fromPixels, type PixelSource } from './pixels';
export * from './preprocessing';
export { type Readers, readCifar10, readCifar100, readCsv, readIdx, readText } from './readers';
export {
	type BatchIndices,
	BatchSampler,
	balancedWeights,
	RandomSampler,
	type Sampler,
	SequentialSampler,
	SubsetRandomSampler,
	WeightedRandomSampler,
} from './samplers';
export type { Source } from './sources';
export { type Labels, randomSplit, type TrainTestOptions, trainTestSplit } from './split';
export { TensorDataset } from './tensorDataset';
export { CharVocabulary, splitTokens, TokenWindows, type TokenWindowsOptions } from './text';
export * as transforms from './transforms';
