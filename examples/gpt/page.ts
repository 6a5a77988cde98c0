/** The page: trains the GPT of `npm run gpt` in the browser, and lets it write meanwhile. */
import { type Device, init } from 'wgrad';
import '../mnist/page.css';
import './page.css';
import { element, hideNotice, messageOf, showNotice, showPhase, showSettings } from './controls';
import { showProgress } from './figures';
import { Session } from './session';
import { DEFAULTS } from './settings';

const WHERE_TO_FIND_IT =
	'Chrome and Edge have WebGPU since version 113, Safari since 26, Firefox on Windows since 141; elsewhere it may hide behind a flag.';

const lamp = element('lamp', HTMLElement);
const adapterName = element('adapter', HTMLElement);

/** Finds WebGPU, or asks whether the CPU will do. */
async function chooseDevice(): Promise<Device> {
	try {
		const { adapter } = await init({ device: 'webgpu' });
		if (adapter === null) throw new Error('init: it gave no adapter');
		lamp.classList.add('on');
		adapterName.textContent = `WebGPU: ${adapter.description}${adapter.isSoftware ? ' (software)' : ''}`;
		return 'webgpu';
	} catch (error) {
		lamp.classList.add('off');
		adapterName.textContent = 'No WebGPU';
		showPhase('waiting');
		showNotice('There is no WebGPU here', `${reason(error)} ${WHERE_TO_FIND_IT}`);
		await consent();
	}
	hideNotice();
	showPhase('loading');
	await init({ device: 'cpu' });
	adapterName.textContent = 'CPU reference';
	showSettings({ layers: 1, width: 32, heads: 2, context: 32, batchSize: 4, steps: 200 });
	return 'cpu';
}

function reason(error: unknown): string {
	if (!isSecureContext) return 'Browsers offer it only to pages that come by https or from localhost.';
	if (navigator.gpu === undefined) return 'This browser does not offer it.';
	return messageOf(error);
}

/** Resolves once the person has chosen the CPU. */
async function consent(): Promise<void> {
	const button = element('use-cpu', HTMLButtonElement);
	button.hidden = false;
	await new Promise((resolve) => button.addEventListener('click', resolve, { once: true }));
	button.hidden = true;
}

async function downloadText(url: string): Promise<string> {
	const response = await fetch(url);
	if (!response.ok) throw new Error(`${url}: the server answered ${response.status} ${response.statusText}`);
	return await response.text();
}

showPhase('loading');
showSettings(DEFAULTS);
try {
	const device = await chooseDevice();
	showProgress(0, 'the text of Moby Dick');
	new Session(device, await downloadText('moby-dick.txt'));
} catch (error) {
	console.error(error);
	showPhase('waiting');
	showNotice('The page could not start', messageOf(error));
}
