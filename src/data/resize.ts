/** Images scaled to another size. */
import type { Image } from './image';

/** Which pixels of a line go into each pixel of the new one, and how much of each. */
interface Contributions {
	readonly first: Int32Array;
	readonly weights: readonly Float64Array[];
}

/**
 * A triangle filter as wide as the pixels of the coarser of the two grids, over the part of the line from `start` on: bilinear when the image
 * grows, an average over what a pixel covers when it shrinks. As Pillow's and torchvision's (antialiased) bilinear resize.
 */
function contributions(size: number, start: number, length: number, target: number): Contributions {
	const scale = length / target;
	const support = Math.max(1, scale);
	const first = new Int32Array(target);
	const weights = Array.from({ length: target }, (_, i) => {
		const centre = start + (i + 0.5) * scale;
		const from = Math.max(0, Math.floor(centre - support + 0.5));
		const end = Math.min(size, Math.floor(centre + support + 0.5));
		first[i] = from;
		const own = Float64Array.from({ length: end - from }, (_, k) => Math.max(0, 1 - Math.abs(from + k + 0.5 - centre) / support));
		const total = own.reduce((a, b) => a + b, 0);
		return own.map((weight) => weight / total);
	});
	return { first, weights };
}

/** The image at [height, width]; 'cover' keeps the aspect ratio and cuts off what is too much, 'fill' does not. */
export function resized(image: Image, [height, width]: readonly [number, number], fit: 'fill' | 'cover' = 'fill'): Image {
	const { data, channels } = image;
	if (image.width === width && image.height === height) return image;
	const scale = fit === 'cover' ? Math.min(image.width / width, image.height / height) : 0;
	const [usedWidth, usedHeight] = fit === 'cover' ? [scale * width, scale * height] : [image.width, image.height];
	const across = contributions(image.width, (image.width - usedWidth) / 2, usedWidth, width);
	const down = contributions(image.height, (image.height - usedHeight) / 2, usedHeight, height);

	// A row is made narrower or wider and added, unrounded, to the new rows that it goes into: long images take no more memory than others.
	const line = width * channels;
	const row = new Float32Array(line);
	const sums = new Float64Array(height * line);
	let next = 0;
	for (let y = 0; y < image.height; y++) {
		while (next < height && down.first[next]! + down.weights[next]!.length <= y) next++;
		if (next === height || down.first[next]! > y) continue;
		for (let x = 0; x < width; x++) {
			const weights = across.weights[x]!;
			const from = (y * image.width + across.first[x]!) * channels;
			for (let c = 0; c < channels; c++) {
				let sum = 0;
				for (let k = 0; k < weights.length; k++) sum += weights[k]! * data[from + k * channels + c]!;
				row[x * channels + c] = sum;
			}
		}
		for (let to = next; to < height && down.first[to]! <= y; to++) {
			const weight = down.weights[to]![y - down.first[to]!];
			if (weight === undefined) continue;
			for (let i = 0; i < line; i++) sums[to * line + i]! += weight * row[i]!;
		}
	}
	return { data: Uint8Array.from(sums, Math.round), width, height, channels };
}
