/** The page: trains the network of `npm start` in the browser, and lets it guess what is drawn meanwhile. */
import { type Device, init } from 'wgrad';
import './page.css';
import { LossChart } from './chart';
import { element, showPhase, suggest } from './controls';
import { downloadMnist } from './download';
import { showProgress } from './figures';
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
		showNotice('There is no WebGPU here', `${messageOf(error)}. ${WHERE_TO_FIND_IT}`);
		await consent();
	}
	hideNotice();
	await init({ device: 'cpu' });
	adapterName.textContent = 'CPU reference';
	suggest({ images: 1000, batchSize: 16 });
	return 'cpu';
}

/** Resolves once the person has chosen the CPU. */
async function consent(): Promise<void> {
	const button = element('use-cpu', HTMLButtonElement);
	button.hidden = false;
	await new Promise((resolve) => button.addEventListener('click', resolve, { once: true }));
	button.hidden = true;
}

showPhase('loading');
const chart = new LossChart(element('chart', HTMLElement));
try {
	const downloading = downloadMnist('mnist.bin.gz', (share) => showProgress(share, 'the images of MNIST'));
	const [device, data] = await Promise.all([chooseDevice(), downloading]);
	new Session(device, data, chart);
} catch (error) {
	console.error(error);
	showPhase('failed');
	showNotice('The page could not start', messageOf(error));
}
