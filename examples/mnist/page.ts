/** The page: trains the network of `npm start` in the browser, and lets it guess what is drawn meanwhile. */
import { type Device, init } from 'wgrad';
import './page.css';
import { LossChart } from './chart';
import { element, showPhase, suggest } from './controls';
import { downloadMnist } from './download';
import { showProgress } from './figures';
import { Guesser } from './guess';
import { hideNotice, messageOf, showNotice } from './notice';
import { Session } from './session';

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
		if (adapter.isSoftware) suggest({ images: 20_000 });
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
	suggest({ images: 1000, batchSize: 16 });
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

showPhase('loading');
const guesser = new Guesser();
const chart = new LossChart(element('chart', HTMLElement));
try {
	const device = await chooseDevice();
	const data = await downloadMnist('mnist.bin.gz', (share) => showProgress(share, 'the images of MNIST'));
	new Session(device, data, chart, guesser);
} catch (error) {
	console.error(error);
	showPhase('waiting');
	showNotice('The page could not start', messageOf(error));
}
