/** The page: compares every kernel variant with the CPU on the visitor's GPU, and measures its speed. */
import { type DoctorReport, examine, verdict } from '../../bench/doctor/report';
import { element, findWebGPU, messageOf, offerDownload, showNotice, showProgress } from '../page';
import './page.css';
import { showReport } from './results';

type Phase = 'Loading' | 'Waiting' | 'Ready' | 'Testing' | 'Stopping';

const seconds = element('seconds', HTMLInputElement);
const withSpeed = element('with-speed', HTMLInputElement);
const [start, stop, save] = ['start', 'stop', 'save'].map((id) => element(id, HTMLButtonElement)) as [
	HTMLButtonElement,
	HTMLButtonElement,
	HTMLButtonElement,
];
let report: DoctorReport | undefined;
let stopping: AbortController | undefined;

function showPhase(phase: Phase): void {
	element('phase', HTMLElement).textContent = phase;
	const rests = phase === 'Ready';
	element('choices', HTMLFieldSetElement).disabled = !rests;
	start.disabled = !rests;
	stop.disabled = phase !== 'Testing';
	save.disabled = !rests || report === undefined;
}

async function test(device: NonNullable<Awaited<ReturnType<typeof findWebGPU>>>): Promise<void> {
	stopping = new AbortController();
	showPhase('Testing');
	element('verdict', HTMLElement).textContent = '';
	try {
		report = await examine(device, navigator.userAgent, {
			seconds: seconds.valueAsNumber,
			speed: withSpeed.checked,
			signal: stopping.signal,
			onPhase: (phase) => showProgress(1, phase),
			onProgress: (done, planned, failed) =>
				showProgress(done / planned, `${done} of ${planned} checks${failed > 0 ? `, ${failed} wrong` : ''}`),
		});
		showReport(report);
		const { failures } = report.correctness;
		const line = element('verdict', HTMLElement);
		line.className = `verdict ${failures.length > 0 ? 'wrong' : 'right'}`;
		line.textContent = verdict(report);
		showProgress(1, '');
		showPhase('Ready');
	} catch (error) {
		console.error(error);
		showPhase('Waiting');
		showNotice('The test broke off', `${messageOf(error)}. Reload the page to try again.`);
	}
}

showPhase('Loading');
const device = await findWebGPU();
if (device === null) {
	showPhase('Waiting');
} else {
	element('settings', HTMLFormElement).addEventListener('submit', (event) => {
		event.preventDefault();
		void test(device);
	});
	stop.addEventListener('click', () => {
		stopping?.abort();
		showPhase('Stopping');
	});
	save.addEventListener('click', () => {
		if (report !== undefined) offerDownload('wgrad-doctor.json', `${JSON.stringify(report, null, '\t')}\n`);
	});
	showPhase('Ready');
}
