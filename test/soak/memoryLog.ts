import type { LogStore } from 'wgrad/train';

/** A log in memory. */
export class MemoryLog implements LogStore {
	constructor(public text: string) {}

	async size(): Promise<number> {
		return this.text.length;
	}

	async truncate(_: string, bytes: number): Promise<void> {
		this.text = this.text.slice(0, bytes);
	}

	async append(_: string, text: string): Promise<void> {
		this.text += text;
	}
}
