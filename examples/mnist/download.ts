/** Downloads and unpacks the file of prepare.mjs, MNIST for the page. */
import { download } from '../page';
import { LabelledImages, PIXELS, SIDE } from './images';

export interface Mnist {
	/** 60,000 images. */
	readonly train: LabelledImages;
	/** 10,000 images. */
	readonly test: LabelledImages;
}

const HEADER_BYTES = 16;

/** Reports the downloaded fraction, from 0 to 1, to `onProgress` if the server sends the size. */
export async function downloadMnist(url: string, onProgress: (share: number) => void): Promise<Mnist> {
	const response = await download(url);
	if (response.body === null) throw new Error(`${url}: the server sent nothing`);
	const size = Number(response.headers.get('content-length'));
	let arrived = 0;
	const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
		transform(chunk, controller) {
			arrived += chunk.length;
			if (size > 0) onProgress(Math.min(1, arrived / size));
			controller.enqueue(chunk);
		},
	});
	const bytes = response.body.pipeThrough(counter);
	// Some servers declare the file's compression as that of the transfer, and the browser then decompresses it.
	const unpacked =
		response.headers.get('content-encoding') === 'gzip' ? bytes : bytes.pipeThrough(new DecompressionStream('gzip'));
	return split(new Uint8Array(await new Response(unpacked).arrayBuffer()), url);
}

/** See prepare.mjs for the layout. */
function split(bytes: Uint8Array, url: string): Mnist {
	const header = new DataView(bytes.buffer, bytes.byteOffset, Math.min(HEADER_BYTES, bytes.length));
	const [train = 0, test = 0, rows, columns] = Array.from({ length: header.byteLength >> 2 }, (_, i) =>
		header.getUint32(4 * i, true),
	);
	if (rows !== SIDE || columns !== SIDE || bytes.length !== HEADER_BYTES + (train + test) * (PIXELS + 1)) {
		throw new Error(`${url}: this is not the file of images that the build makes`);
	}
	let end = HEADER_BYTES;
	const take = (length: number) => {
		end += length;
		return bytes.subarray(end - length, end);
	};
	return {
		train: new LabelledImages(take(train * PIXELS), take(train)),
		test: new LabelledImages(take(test * PIXELS), take(test)),
	};
}
