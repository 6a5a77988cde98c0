/** The page: doubles the size of the visitor's picture by a network that comes from a file of TensorFlow.js. */
import type { Device } from 'wgrad';
import { loadTfjs } from 'wgrad/formats';
import {
	chooseDevice,
	download,
	element,
	hideNotice,
	messageOf,
	offerDownload,
	onFile,
	showNotice,
	showProgress,
	showText,
} from '../page';
import '../gpt/page.css';
import './page.css';
import { enlarge, FACTOR, type Network } from './enlarge';

/** waiting: needs the visitor's decision. */
type Phase = 'loading' | 'waiting' | 'ready' | 'enlarging' | 'stopping';

const LABELS: Readonly<Record<Phase, string>> = {
	loading: 'Loading',
	waiting: 'Waiting',
	ready: 'Ready',
	enlarging: 'Enlarging',
	stopping: 'Stopping',
};
const MOST_PIXELS = 4e6;

const file = element('file', HTMLInputElement);
const [sample, stop, save] = ['sample', 'stop', 'save'].map((id) => element(id, HTMLButtonElement)) as [
	HTMLButtonElement,
	HTMLButtonElement,
	HTMLButtonElement,
];
const before = element('before', HTMLCanvasElement);
const after = element('after', HTMLCanvasElement);
const card = element('picture-card', HTMLElement);
let phase: Phase = 'loading';
let hasResult = false;

function showPhase(next: Phase): void {
	phase = next;
	element('phase', HTMLElement).textContent = LABELS[phase];
	const rests = phase === 'ready';
	file.disabled = !rests;
	sample.disabled = !rests;
	stop.disabled = phase !== 'enlarging';
	save.disabled = !(rests && hasResult);
}

/** A drawing surface. */
function contextOf(canvas: HTMLCanvasElement | OffscreenCanvas): CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D {
	const context = canvas.getContext('2d', { willReadFrequently: canvas instanceof OffscreenCanvas });
	if (context === null) throw new Error('the browser gives no canvas for a picture of this size');
	return context as CanvasRenderingContext2D;
}

async function open(picture: Blob, network: Network, device: Device): Promise<void> {
	hideNotice();
	hasResult = false;
	showPhase('enlarging');
	try {
		const bitmap = await createImageBitmap(picture).catch(() => {
			throw new Error('The browser cannot read this file as a picture');
		});
		const { width, height } = bitmap;
		if (width * height > MOST_PIXELS)
			throw new Error(
				`The picture has ${(width * height * 1e-6).toFixed(1)} megapixels; the page takes at most ${MOST_PIXELS * 1e-6}`,
			);
		const source = contextOf(new OffscreenCanvas(width, height));
		source.fillStyle = 'white';
		source.fillRect(0, 0, width, height);
		source.drawImage(bitmap, 0, 0);
		for (const canvas of [before, after]) {
			canvas.width = width * FACTOR;
			canvas.height = height * FACTOR;
			contextOf(canvas).drawImage(source.canvas, 0, 0, canvas.width, canvas.height);
		}
		bitmap.close();
		showText('size', `${width} × ${height}`);
		showText('result', `${before.width} × ${before.height}`);
		const target = contextOf(after);
		const start = performance.now();
		const read = (left: number, top: number, w: number, h: number) => source.getImageData(left, top, w, h);
		for await (const { pixels, left, top, done } of enlarge(network, { width, height }, read, device)) {
			target.putImageData(pixels, left, top);
			const seconds = (performance.now() - start) / 1000;
			showText('seconds', seconds.toFixed(1));
			showText('speed', ((done * width * height * FACTOR ** 2 * 1e-6) / seconds).toPrecision(2));
			showProgress(done, `${(100 * done).toFixed(0)} %`);
			if (isStopped()) break;
		}
		hasResult = !isStopped();
	} catch (error) {
		console.warn(error);
		showNotice('The picture was not enlarged', messageOf(error));
	}
	showPhase('ready');
}

/** The phase changes while a tile computes. */
const isStopped = () => phase === 'stopping';

function onPicture(take: (picture: Blob) => void): void {
	onFile(file, card, take);
	document.addEventListener('paste', (event) => {
		const [pasted] = event.clipboardData?.files ?? [];
		if (pasted !== undefined && !file.disabled) take(pasted);
	});
}

showPhase('loading');
try {
	const { device } = await chooseDevice(showPhase);
	showProgress(0, 'the network');
	const files = ['model.json', 'group1-shard1of1.bin'].map(async (name) => new File([await (await download(name)).blob()], name));
	const network = (await loadTfjs(await Promise.all(files), { device })).eval();
	showProgress(0, '');
	const take = (picture: Blob) => void open(picture, network, device);
	onPicture(take);
	sample.addEventListener('click', async () => {
		try {
			take(await (await download('fixture.png')).blob());
		} catch (error) {
			showNotice('There is no sample', messageOf(error));
		}
	});
	stop.addEventListener('click', () => showPhase('stopping'));
	save.addEventListener('click', () =>
		after.toBlob((blob) => {
			if (blob !== null) offerDownload('enlarged.png', blob);
		}),
	);
	showPhase('ready');
} catch (error) {
	console.error(error);
	showPhase('waiting');
	showNotice('The page could not start', messageOf(error));
}
