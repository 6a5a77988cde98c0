/** The free blocks of one size class: a binary heap with the lowest number on top. */

/** What a free list has to know of a block. */
interface Numbered {
	readonly id: number;
	/** The last batch whose launches use it. */
	readonly batch: number;
}

export class FreeList<B extends Numbered> {
	private heap: B[] = [];

	get blocks(): readonly B[] {
		return this.heap;
	}

	push(block: B): void {
		const { heap } = this;
		let at = heap.length;
		while (at > 0) {
			const parent = (at - 1) >> 1;
			if (heap[parent]!.id < block.id) break;
			heap[at] = heap[parent]!;
			at = parent;
		}
		heap[at] = block;
	}

	/** Takes out the block with the lowest number. */
	pop(): B | undefined {
		const { heap } = this;
		const top = heap[0];
		const last = heap.pop();
		if (top === undefined || last === undefined || heap.length === 0) return top;
		let at = 0;
		for (;;) {
			let child = 2 * at + 1;
			if (child >= heap.length) break;
			if (child + 1 < heap.length && heap[child + 1]!.id < heap[child]!.id) child++;
			if (heap[child]!.id > last.id) break;
			heap[at] = heap[child]!;
			at = child;
		}
		heap[at] = last;
		return top;
	}

	/** Takes out the block with the lowest number of those that no batch from `since` on uses. */
	popUntouched(since: number): B | undefined {
		const touched: B[] = [];
		let block = this.pop();
		while (block !== undefined && block.batch >= since) {
			touched.push(block);
			block = this.pop();
		}
		for (const other of touched) this.push(other);
		return block;
	}

	/** Takes out all of `blocks` that are here. */
	remove(blocks: ReadonlySet<B>): void {
		const left = this.heap.filter((block) => !blocks.has(block));
		this.heap = [];
		for (const block of left) this.push(block);
	}
}
