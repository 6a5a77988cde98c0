/** The box on top of the page that says what is wrong. */
import { element } from './controls';

const notice = element('notice', HTMLElement);

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
