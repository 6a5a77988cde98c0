/**
 * Geometric transforms: flips, crops, rotation, shear, zoom and shift.
 *
 * Each transform samples every image once with a matrix [m0 .. m5], which maps a pixel (column j, row i) of the result to the point (m0 j +
 * m1 i + m2, m3 j + m4 i + m5) of the image. The host draws and multiplies matrices in float64. Matrices of integers (flips, crops, shifts,
 * quarter turns of squares) move pixels bit by bit unchanged.
 */
import type { SampleAttributes, SamplePadding } from '../../backends/contract/sample';
import { describe, requireFraction, requireNumber, requireOneOf, requirePositive, wrongArgument } from '../../core/checks';
import { ArgumentError, formatShape, ShapeError } from '../../core/errors';
import { checkOptions } from '../../core/options';
import { affineSample } from '../../ops/sample';
import type { Tensor } from '../../tensor';
import { type Draws, imageTransform, perSample, type Range, requireRange, type Transform } from './transform';

type Matrix = readonly [number, number, number, number, number, number];

const IDENTITY: Matrix = [1, 0, 0, 0, 1, 0];

/** The value of pixels outside the image: `fill`, the nearest pixel, or the mirrored image without or with its outermost pixels. */
export type PaddingMode = SamplePadding;

export interface FillOptions {
	/** Default 'constant'. */
	readonly paddingMode?: PaddingMode;
	/** The fill value for 'constant'. Default 0. */
	readonly fill?: number;
}

export interface SampleOptions extends FillOptions {
	/** Default 'bilinear'. */
	readonly interpolation?: 'bilinear' | 'nearest';
}

function attributesOf(
	name: string,
	{ interpolation = 'bilinear', paddingMode = 'constant', fill = 0 }: SampleOptions,
): SampleAttributes {
	requireOneOf(name, 'interpolation', interpolation, ['bilinear', 'nearest']);
	requireOneOf(name, 'paddingMode', paddingMode, ['constant', 'edge', 'reflect', 'symmetric']);
	requireNumber(name, 'fill', fill);
	return { mode: interpolation, padding: paddingMode, fill };
}

/** Samples each image with the matrix that `draw` returns for it. */
function sampled(
	name: string,
	images: Tensor,
	size: readonly [height: number, width: number],
	attributes: SampleAttributes,
	draw: () => Matrix,
): Tensor {
	const count = images.shape[0]!;
	const values = new Float64Array(count * 6);
	for (let n = 0; n < count; n++) values.set(draw(), n * 6);
	const matrices = perSample(images, values, [count, 6], images.dtype === 'float64' ? 'float64' : 'float32');
	return affineSample(name, images, matrices, size, attributes);
}

const sizeOf = (images: Tensor): [height: number, width: number] => [images.shape[2]!, images.shape[3]!];

export interface FlipOptions {
	/** The probability of flipping an image. Default 0.5. */
	readonly p?: number;
}

const WHOLE_PIXELS: SampleAttributes = { mode: 'nearest', padding: 'constant', fill: 0 };

function randomFlip(name: string, options: FlipOptions, flipped: (height: number, width: number) => Matrix): Transform {
	const { p = 0.5 } = checkOptions(name, options, ['p']);
	requireFraction(name, 'p', p);
	return imageTransform(name, (images, draws) => {
		const size = sizeOf(images);
		return sampled(name, images, size, WHOLE_PIXELS, () => (draws.uniform() < p ? flipped(...size) : IDENTITY));
	});
}

/** Mirrors each image left to right with probability p. As `torchvision.transforms.RandomHorizontalFlip`. */
export function randomHorizontalFlip(options: FlipOptions = {}): Transform {
	return randomFlip('randomHorizontalFlip', options, (_, width) => [-1, 0, width - 1, 0, 1, 0]);
}

/** Turns each image upside down with probability p. As `torchvision.transforms.RandomVerticalFlip`. */
export function randomVerticalFlip(options: FlipOptions = {}): Transform {
	return randomFlip('randomVerticalFlip', options, (height) => [1, 0, 0, 0, -1, height - 1]);
}

/** Height and width, or one number for both. */
export type Size = number | readonly [height: number, width: number];

export function requireSize(name: string, argument: string, size: Size): [height: number, width: number] {
	const pair = typeof size === 'number' ? [size, size] : size;
	if (!Array.isArray(pair) || pair.length !== 2 || !pair.every((s) => Number.isInteger(s) && s > 0 && s < 2 ** 24))
		throw wrongArgument(name, argument, 'a whole number of pixels above 0, or [height, width]', size);
	return [pair[0]!, pair[1]!];
}

export interface CropOptions extends FillOptions {
	/**
	 * Pixels added before cropping: one number for all sides, [left and right, top and bottom], or [left, top, right, bottom]. Default 0.
	 */
	readonly padding?:
		| number
		| readonly [x: number, y: number]
		| readonly [left: number, top: number, right: number, bottom: number];
}

function sides(
	padding: NonNullable<CropOptions['padding']>,
): readonly [left: number, top: number, right: number, bottom: number] {
	const list = typeof padding === 'number' ? [padding] : padding;
	const valid = Array.isArray(list) && [1, 2, 4].includes(list.length) && list.every((s) => Number.isInteger(s) && s >= 0);
	if (!valid || (typeof padding !== 'number' && list.length === 1)) {
		throw wrongArgument('randomCrop', 'padding', 'a whole number of pixels, [x, y] or [left, top, right, bottom]', padding);
	}
	const [left, top = left, right = left, bottom = top] = list as [number, number?, number?, number?];
	return [left, top, right, bottom];
}

/** Pads each image, then cuts out a window of `size` at a random position. As `torchvision.transforms.RandomCrop`. */
export function randomCrop(size: Size, options: CropOptions = {}): Transform {
	const { padding = 0 } = checkOptions('randomCrop', options, ['padding', 'paddingMode', 'fill']);
	const out = requireSize('randomCrop', 'size', size);
	const [left, top, right, bottom] = sides(padding);
	const attributes = { ...attributesOf('randomCrop', options), mode: 'nearest' as const };
	return imageTransform('randomCrop', (images, draws) => {
		const [height, width] = sizeOf(images);
		const roomY = height + top + bottom - out[0] + 1;
		const roomX = width + left + right - out[1] + 1;
		if (roomY < 1 || roomX < 1) {
			throw new ShapeError(
				`randomCrop: images ${formatShape(images.shape)} with padding ${describe(padding)} are smaller than the crop ${formatShape(out)}. Pass a larger padding or a smaller size`,
			);
		}
		return sampled('randomCrop', images, out, attributes, () => {
			const row = draws.integer(roomY) - top;
			const column = draws.integer(roomX) - left;
			return [1, 0, column, 0, 1, row];
		});
	});
}

/** Sine and cosine of an angle in degrees, exact at quarter turns. */
function sinCos(degrees: number): readonly [sine: number, cosine: number] {
	const quarters = degrees / 90;
	if (Number.isInteger(quarters)) {
		const turn = ((quarters % 4) + 4) % 4;
		return [[0, 1, 0, -1][turn]!, [1, 0, -1, 0][turn]!];
	}
	const radians = (degrees * Math.PI) / 180;
	return [Math.sin(radians), Math.cos(radians)];
}

interface Affine {
	/** Clockwise, in degrees. */
	readonly angle: number;
	/** In pixels. */
	readonly shift: readonly [x: number, y: number];
	readonly scale: readonly [x: number, y: number];
	/** In degrees. */
	readonly shear: readonly [x: number, y: number];
}

/**
 * The inverse map, from result to image, of: shear, scale and rotate around the centre, then shift. Rotation and shear are those of
 * `torchvision.transforms.functional.affine`, which has a single scale.
 */
function inverseAffine([height, width]: readonly [number, number], { angle, shift, scale, shear }: Affine): Matrix {
	const [sinTurn, cosTurn] = sinCos(angle - shear[1]);
	const [sin, cos] = sinCos(angle);
	const cosY = sinCos(shear[1])[1];
	const [sinX, cosX] = sinCos(shear[0]);
	const tanX = sinX / cosX;
	const a = cosTurn / cosY;
	const b = (-cosTurn * tanX) / cosY - sin;
	const c = sinTurn / cosY;
	const d = (-sinTurn * tanX) / cosY + cos;
	const [m0, m1, m3, m4] = [d / scale[0], -b / scale[0], -c / scale[1], a / scale[1]];
	const [centerX, centerY] = [(width - 1) / 2, (height - 1) / 2];
	const [fromX, fromY] = [centerX + shift[0], centerY + shift[1]];
	return [m0, m1, centerX - m0 * fromX - m1 * fromY, m3, m4, centerY - m3 * fromX - m4 * fromY];
}

function randomly(
	name: string,
	options: SampleOptions,
	draw: (draws: Draws, height: number, width: number) => Partial<Affine>,
): Transform {
	const attributes = attributesOf(name, options);
	const still: Affine = { angle: 0, shift: [0, 0], scale: [1, 1], shear: [0, 0] };
	return imageTransform(name, (images, draws) => {
		const size = sizeOf(images);
		return sampled(name, images, size, attributes, () => inverseAffine(size, { ...still, ...draw(draws, ...size) }));
	});
}

/**
 * Rotates each image around its centre by an angle drawn uniformly from -degrees to degrees, or from [low, high]. Positive angles rotate
 * counter-clockwise. As `torchvision.transforms.RandomRotation`, but bilinear by default.
 */
export function randomRotation(degrees: Range, options: SampleOptions = {}): Transform {
	checkOptions('randomRotation', options, ['interpolation', 'paddingMode', 'fill']);
	const [low, high] = requireRange('randomRotation', 'degrees', degrees);
	return randomly('randomRotation', options, (draws) => ({ angle: -draws.uniform(low, high) }));
}

function requireShear(name: string, argument: string, range: Range): readonly [number, number] {
	const [low, high] = requireRange(name, argument, range);
	if (low <= -90 || high >= 90)
		throw new ArgumentError(`${name}: ${argument} must lie between -90 and 90 degrees, not from ${low} to ${high}`);
	return [low, high];
}

export interface ShearOptions extends SampleOptions {
	/** The range of the angle for columns, in degrees. Default 0. */
	readonly y?: Range;
}

/** Shears each image along x by an angle drawn uniformly from -degrees to degrees, or from [low, high]. */
export function randomShear(degrees: Range, options: ShearOptions = {}): Transform {
	const { y = 0 } = checkOptions('randomShear', options, ['y', 'interpolation', 'paddingMode', 'fill']);
	const rangeX = requireShear('randomShear', 'degrees', degrees);
	const rangeY = requireShear('randomShear', 'y', y);
	return randomly('randomShear', options, (draws) => ({ shear: [draws.uniform(...rangeX), draws.uniform(...rangeY)] }));
}

function requireScale(name: string, argument: string, range: Range, centre?: number): readonly [number, number] {
	const [low, high] = requireRange(name, argument, range, centre);
	requirePositive(name, argument, low);
	return [low, high];
}

export interface ZoomOptions extends SampleOptions {
	/** Use one factor for height and width. Default true. */
	readonly keepAspect?: boolean;
}

/**
 * Enlarges each image around its centre by a factor drawn uniformly from 1 - zoom to 1 + zoom, or from [low, high]. Factors below 1 shrink
 * it.
 */
export function randomZoom(zoom: Range, options: ZoomOptions = {}): Transform {
	const { keepAspect = true } = checkOptions('randomZoom', options, ['keepAspect', 'interpolation', 'paddingMode', 'fill']);
	const range = requireScale('randomZoom', 'zoom', zoom, 1);
	return randomly('randomZoom', options, (draws) => {
		const x = draws.uniform(...range);
		const y = draws.uniform(...range);
		return { scale: [x, keepAspect ? x : y] };
	});
}

/** The largest shift as a fraction of the size: one number, or one per direction. */
export type Shift = number | readonly [horizontal: number, vertical: number];

function requireShift(name: string, argument: string, shift: Shift): readonly [number, number] {
	const pair = typeof shift === 'number' ? [shift, shift] : shift;
	if (!Array.isArray(pair) || pair.length !== 2 || !pair.every((s) => s >= 0 && s <= 1))
		throw wrongArgument(name, argument, 'a fraction of the size from 0 to 1, or [horizontal, vertical]', shift);
	return [pair[0]!, pair[1]!];
}

/** Draws a shift by whole pixels, up to that fraction of the size in either direction. */
function drawShift(draws: Draws, [x, y]: readonly [number, number], height: number, width: number): [number, number] {
	return [Math.round(draws.uniform(-x * width, x * width)), Math.round(draws.uniform(-y * height, y * height))];
}

/** Moves each image by whole pixels, up to `shift` times its width and height in either direction. */
export function randomShift(shift: Shift, options: FillOptions = {}): Transform {
	checkOptions('randomShift', options, ['paddingMode', 'fill']);
	const largest = requireShift('randomShift', 'shift', shift);
	return randomly('randomShift', options, (draws, height, width) => ({ shift: drawShift(draws, largest, height, width) }));
}

export interface AffineOptions extends SampleOptions {
	/** The range of the rotation angle. Positive angles rotate clockwise, as in torchvision. Default 0. */
	readonly degrees?: Range;
	/** See `randomShift`. Default 0. */
	readonly translate?: Shift;
	/** The range of the scale factor; a number s stands for 1 - s to 1 + s. Default [1, 1]. */
	readonly scale?: Range;
	/** The range of the shear angle along x, in degrees. Default 0. */
	readonly shear?: Range;
	/** The range of the shear angle along y, in degrees. Default 0. */
	readonly shearY?: Range;
}

/** Rotates, shears, zooms and shifts each image in a single sampling. As `torchvision.transforms.RandomAffine`, but bilinear by default. */
export function randomAffine(options: AffineOptions): Transform {
	const names = ['degrees', 'translate', 'scale', 'shear', 'shearY', 'interpolation', 'paddingMode', 'fill'] as const;
	const { degrees = 0, translate = 0, scale = [1, 1], shear = 0, shearY = 0 } = checkOptions('randomAffine', options, names);
	const angles = requireRange('randomAffine', 'degrees', degrees);
	const largest = requireShift('randomAffine', 'translate', translate);
	const scales = requireScale('randomAffine', 'scale', scale, 1);
	const shears = [requireShear('randomAffine', 'shear', shear), requireShear('randomAffine', 'shearY', shearY)] as const;
	return randomly('randomAffine', options, (draws, height, width) => {
		const angle = draws.uniform(...angles);
		const shift = drawShift(draws, largest, height, width);
		const factor = draws.uniform(...scales);
		return { angle, shift, scale: [factor, factor], shear: [draws.uniform(...shears[0]), draws.uniform(...shears[1])] };
	});
}
