/** PNG and JPEG files, intact and damaged, give the right pixels or one of the library's errors, in bounded time and memory. */
import { deflateSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { decodeImage } from 'wgrad/data';
import { jpegs } from '../data/jpegs.fixture';
import { fromBase64 } from '../data/pictures';
import { DEPTHS, type PngKind, randomPng, withChecksums } from '../data/pngWriter';
import { below, type Counts, pick, type Random } from './campaign';
import { damaged, takes, until } from './damage';

const MAX_PIXELS = 250_000;

export async function images(random: Random, deadline: number): Promise<Counts> {
	const counts = { whole: 0, 'damaged, taken': 0, 'damaged, refused': 0 };
	const bomb = deflateSync(Buffer.alloc(1e7));
	const files = Object.values(jpegs).map(({ file }) => fromBase64(file));
	await until(deadline, async () => {
		const kind = randomKind(random);
		const extra = random() < 0.1 ? ([['iCCP', Buffer.concat([Buffer.from('a\0\0'), bomb])]] as const) : [];
		const { file, pixels, channels } = randomPng(random, { ...kind, extra });
		const image = await decodeImage(file);
		assert.equal([image.width, image.height, image.channels], [kind.width, kind.height, channels]);
		assert.equal(Array.from(image.data), pixels, `${JSON.stringify(kind)}: ${Buffer.from(file).toString('base64')}`);
		counts.whole++;
		const png = damaged(random, file);
		for (const bytes of [png, withChecksums(png), damaged(random, pick(random, files))]) {
			const taken = await takes(bytes, async () => {
				const { data, width, height, channels } = await decodeImage(bytes, { maxPixels: MAX_PIXELS });
				assert.ok(width * height <= MAX_PIXELS);
				assert.is(data.length, width * height * channels);
			});
			counts[taken ? 'damaged, taken' : 'damaged, refused']++;
		}
	});
	return counts;
}

/** A random supported PNG kind, at most 24 x 24. */
function randomKind(random: Random): PngKind {
	const type = pick(random, [0, 2, 3, 4, 6]);
	const depth = pick(random, DEPTHS[type]!);
	return {
		type,
		depth,
		width: 1 + below(random, 24),
		height: 1 + below(random, 24),
		// fast-png cannot read interlaced files of fewer than 8 bits, and ignores transparent colours outside palettes.
		interlaced: depth >= 8 && random() < 0.5,
		transparent: type === 3 && random() < 0.5,
		suggested: (type === 2 || type === 6) && random() < 0.5,
	};
}
