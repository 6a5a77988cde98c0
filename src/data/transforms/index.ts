/**
 * Augmentation of batches of images, on their own device: `transforms.compose(transforms.randomHorizontalFlip(), ...)` as the
 * `transform` of a DataLoader. Numbers are drawn for each image anew, from the generator handed in.
 */
export { type ColorOptions, normalize, type PerChannel, randomBrightness, randomContrast } from './color';
export { compose } from './compose';
export { type CutoutOptions, cutout, type ErasingOptions, randomErasing } from './erase';
export {
	type AffineOptions,
	type CropOptions,
	type FillOptions,
	type FlipOptions,
	type PaddingMode,
	randomAffine,
	randomCrop,
	randomHorizontalFlip,
	randomRotation,
	randomShear,
	randomShift,
	randomVerticalFlip,
	randomZoom,
	type SampleOptions,
	type ShearOptions,
	type Shift,
	type Size,
	type ZoomOptions,
} from './geometry';
export { type MixupOptions, mixup } from './mixup';
export type { Range, Transform, TransformContext } from './transform';
