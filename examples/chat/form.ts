/** The page's forms and buttons, and when each is enabled. */
import type { SamplingOptions } from 'wgrad/models';
import { enableOpening } from '../openModel';
import { element } from '../page';

/** waiting: needs the visitor's decision. */
export type Phase = 'loading' | 'waiting' | 'ready' | 'opening' | 'answering';

const LABELS: Readonly<Record<Phase, string>> = {
	loading: 'Loading',
	waiting: 'Waiting',
	ready: 'Ready',
	opening: 'Opening the model',
	answering: 'Answering',
};

const message = element('message', HTMLTextAreaElement);
const send = element('send', HTMLButtonElement);
const log = element('log', HTMLElement);

export function showPhase(phase: Phase, hasModel = false): void {
	element('phase', HTMLElement).textContent = LABELS[phase];
	const rests = phase === 'ready';
	enableOpening(rests);
	element('cancel', HTMLButtonElement).hidden = phase !== 'opening';
	message.disabled = !hasModel;
	send.disabled = !(rests && hasModel) && phase !== 'answering';
	send.textContent = phase === 'answering' ? 'Stop' : 'Send';
	element('clear', HTMLButtonElement).disabled = !(rests && hasModel);
}

export function readSettings(): SamplingOptions & { maxNewTokens: number } {
	const [temperature, topK, topP, maxNewTokens] = ['temperature', 'top-k', 'top-p', 'length'].map(
		(id) => element(id, HTMLInputElement).valueAsNumber,
	) as [number, number, number, number];
	return { temperature, topK, topP, maxNewTokens };
}

/** Adds a turn to the log, and returns the element of its text. */
export function addTurn(role: 'user' | 'assistant', text: string): HTMLElement {
	const item = document.createElement('li');
	item.className = role;
	const name = document.createElement('strong');
	name.textContent = role === 'user' ? 'You' : 'Model';
	const content = document.createElement('p');
	content.textContent = text;
	item.append(name, content);
	log.append(item);
	showEnd();
	return content;
}

/** Scrolls to the end of the conversation. */
export function showEnd(): void {
	log.scrollTop = log.scrollHeight;
}

export function clearLog(): void {
	log.replaceChildren();
}
