import * as w from 'wgrad';
import type { Case, Draw } from './draw';
import { testRandom } from './drive';

/** Positions at multiples of half a pixel from the first pixel, where the nearest pixel changes or images end. */
function halves(size: number, alignCorners: boolean): number[] {
	if (alignCorners && size === 1) return [];
	return Array.from({ length: 4 * size + 9 }, (_, i) => {
		const pixel = i / 2 - size / 2 - 2;
		return alignCorners ? (2 * pixel) / (size - 1) - 1 : (2 * pixel + 1) / size - 1;
	}).filter((place) => Math.abs(place) < 1.6);
}

function sampled(d: Draw): Case {
	const [n, channels, height, width] = [d.int(1, 3), d.int(1, 4), d.int(1, 5), d.int(1, 5)];
	const options = {
		mode: d.pick(['bilinear', 'nearest'] as const),
		paddingMode: d.pick(['zeros', 'border', 'reflection'] as const),
		alignCorners: d.bool(),
	};
	const x = d.input([n, channels, height, width]);
	const avoid = [...new Set([height, width])].flatMap((size) => halves(size, options.alignCorners));
	const grid = d.input([n, d.int(1, 5), d.int(1, 5), 2], 'float32', {
		low: -1.5,
		high: 1.5,
		avoid,
		// The nearest pixel does not move with the position.
		gradient: options.mode === 'bilinear',
	});
	return d.case('gridSample', [x, grid], ([image, positions]) => w.gridSample(image!, positions!, options), options);
}

function grids(d: Draw): Case {
	const size = [d.int(1, 3), d.int(1, 3), d.int(1, 6), d.int(1, 6)];
	const alignCorners = d.bool();
	const theta = d.input([size[0]!, 2, 3]);
	return d.case('affineGrid', [theta], ([t]) => w.affineGrid(t!, size, { alignCorners }), { size, alignCorners });
}

testRandom('sample', (d) => d.pick([sampled, sampled, sampled, grids])(d));
