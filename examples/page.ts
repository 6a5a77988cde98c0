/** Shared code of the example pages: finds elements, shows problems and progress, and chooses WebGPU or the CPU. */
import { counters, type Device, type DeviceInfo, init, memory } from 'wgrad';
import './page.css';

/** Returns the element with this id. Throws unless it exists and is of this kind. */
export function element<T extends HTMLElement>(id: string, kind: new () => T): T {
	const found = document.getElementById(id);
	if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} '${id}'`);
	return found;
}

const notice = element('notice', HTMLElement);
const progress = element('progress', HTMLProgressElement);
const status = element('status', HTMLElement);

export function showText(id: string, text: string): void {
	element(id, HTMLElement).textContent = text;
}

export function showNotice(title: string, text: string): void {
	element('notice-title', HTMLElement).textContent = title;
	element('notice-text', HTMLElement).textContent = text;
	notice.hidden = false;
}

export function hideNotice(): void {
	notice.hidden = true;
}

export function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}

/** Runs the start of the page. If it fails, the page says why. */
export async function startPage(showPhase: (phase: 'loading' | 'waiting') => void, start: () => Promise<unknown>): Promise<void> {
	showPhase('loading');
	try {
		await start();
	} catch (error) {
		console.error(error);
		showPhase('waiting');
		showNotice('The page could not start', messageOf(error));
	}
}

/** Fetches one of the page's files. Errors name it. */
export async function download(url: string): Promise<Response> {
	let response: Response;
	try {
		response = await fetch(url);
	} catch (error) {
		throw new Error(`${url} could not be downloaded: ${messageOf(error)}`);
	}
	if (!response.ok) throw new Error(`${url}: the server answered ${response.status} ${response.statusText}`);
	return response;
}

/** Shows a progress from 0 to 1, with a description. */
export function showProgress(share: number, text: string): void {
	progress.value = share;
	status.textContent = text;
}

const WHERE_TO_FIND_IT =
	'Chrome and Edge have WebGPU since version 113, Safari since 26, Firefox on Windows since 141; elsewhere it may hide behind a flag.';

export interface DeviceChoice {
	readonly device: Device;
	/** Slow devices need smaller settings. */
	readonly kind: 'gpu' | 'software' | 'cpu';
}

/** Starts WebGPU and shows the adapter's name. If there is no WebGPU, it shows what to do, and returns null. */
export async function findWebGPU(): Promise<DeviceInfo | null> {
	const lamp = element('lamp', HTMLElement);
	const adapterName = element('adapter', HTMLElement);
	try {
		const info = await init({ device: 'webgpu' });
		if (info.adapter === null) throw new Error('init: it gave no adapter');
		lamp.classList.add('on');
		showActivity();
		adapterName.textContent = `WebGPU: ${info.adapter.description}${info.adapter.isSoftware ? ' (software)' : ''}`;
		return info;
	} catch (error) {
		lamp.classList.add('off');
		adapterName.textContent = 'No WebGPU';
		showNotice('There is no WebGPU here', `${reason(error)} ${WHERE_TO_FIND_IT}`);
		return null;
	}
}

/** Finds a WebGPU adapter, or asks the user for consent to use the CPU. Reports the waiting through `showPhase`. */
export async function chooseDevice(showPhase: (phase: 'waiting' | 'loading') => void): Promise<DeviceChoice> {
	const found = await findWebGPU();
	if (found !== null) return { device: 'webgpu', kind: found.adapter!.isSoftware ? 'software' : 'gpu' };
	showPhase('waiting');
	await consent();
	hideNotice();
	showPhase('loading');
	await init({ device: 'cpu' });
	element('adapter', HTMLElement).textContent = 'CPU reference';
	return { device: 'cpu', kind: 'cpu' };
}

/** Milliseconds between two looks at what the GPU does. */
const LOOK = 250;
let looking = false;

/** Shows beside the adapter's name how much of its memory is in use, or that kernels compile. */
function showActivity(): void {
	if (looking) return;
	looking = true;
	const activity = element('activity', HTMLElement);
	setInterval(() => {
		const { gpu } = memory();
		// A device that was lost has neither until the page starts it anew.
		if (gpu === null) return;
		const compiling = counters().pipelinesCompiling;
		const text = compiling > 0 ? `compiling kernels: ${compiling} left` : `${(gpu.allocated / 2 ** 20).toFixed(1)} MiB`;
		if (activity.textContent !== text) activity.textContent = text;
	}, LOOK);
}

function reason(error: unknown): string {
	if (!isSecureContext) return 'Browsers offer it only to pages that come by https or from localhost.';
	if (navigator.gpu === undefined) return 'This browser does not offer it.';
	return messageOf(error);
}

/** Resolves when the user has chosen the CPU. */
async function consent(): Promise<void> {
	const button = element('use-cpu', HTMLButtonElement);
	button.hidden = false;
	await new Promise((resolve) => button.addEventListener('click', resolve, { once: true }));
	button.hidden = true;
}

/** Calls `take` with a file that is chosen, or dropped on `place`, while the input is enabled. */
export function onFile(input: HTMLInputElement, place: HTMLElement, take: (file: File) => void): void {
	input.addEventListener('change', () => {
		const [file] = input.files ?? [];
		if (file !== undefined) take(file);
		// So that the same file can be chosen again.
		input.value = '';
	});
	place.addEventListener('dragover', (event) => {
		if (event.dataTransfer?.types.includes('Files') !== true || input.disabled) return;
		event.preventDefault();
		place.classList.add('dropping');
	});
	place.addEventListener('dragleave', () => place.classList.remove('dropping'));
	place.addEventListener('drop', (event) => {
		place.classList.remove('dropping');
		const [file] = event.dataTransfer?.files ?? [];
		if (file === undefined || input.disabled) return;
		event.preventDefault();
		take(file);
	});
}

/** Offers bytes, text or a blob as a download. */
export function offerDownload(name: string, content: string | Uint8Array | Blob): void {
	const link = document.createElement('a');
	link.href = URL.createObjectURL(new Blob([content as BlobPart]));
	link.download = name;
	link.click();
	// The download has begun when the event loop comes back.
	setTimeout(() => URL.revokeObjectURL(link.href));
}
