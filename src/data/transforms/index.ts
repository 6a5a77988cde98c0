/**
 * Augments batches of images on their device. Pass `transforms.compose(transforms.randomHorizontalFlip(), ...)` as the `transform` of a
 * DataLoader. Draws new random numbers for each image.
 */
export { type ColorOptions, normalize, type PerChannel, randomBrightness, randomContrast } from './color';
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
export { compose, type Range, type Transform, type TransformContext } from './transform';
