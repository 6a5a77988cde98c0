/** The free blocks of one size class: a binary heap with the lowest number on top. */

/** The properties of a block that a free list uses. */
interface Numbered {
	readonly id: number;
	/** The last batch with launches that use it. */
	readonly batch: number;
}

export class FreeList<B extends Numbered> {
	private heap: B[] = [];

	get blocks(): readonly B[] {
		return this.heap;
	}

	push(block: B): void {
		this.rise(this.heap.length, block);
	}

	/** Takes out the block with the lowest number. */
	pop(): B | undefined {
		return this.heap.length === 0 ? undefined : this.takeOut(0);
	}

	/** Takes out the block with the lowest number among those that were last used before batch `since`. */
	popUntouched(since: number): B | undefined {
		const { heap } = this;
		let best = -1;
		const visit = [0];
		while (visit.length > 0) {
			const at = visit.pop()!;
			if (at >= heap.length || (best >= 0 && heap[at]!.id > heap[best]!.id)) continue;
			// The children have higher numbers.
			if (heap[at]!.batch < since) best = at;
			else visit.push(2 * at + 2, 2 * at + 1);
		}
		return best < 0 ? undefined : this.takeOut(best);
	}

	/** Removes all of `blocks` that are in this list. */
	remove(blocks: ReadonlySet<B>): void {
		const left = this.heap.filter((block) => !blocks.has(block));
		this.heap = [];
		for (const block of left) this.push(block);
	}

	private takeOut(at: number): B {
		const { heap } = this;
		const block = heap[at]!;
		const last = heap.pop()!;
		if (at < heap.length) {
			if (last.id < block.id) this.rise(at, last);
			else this.sink(at, last);
		}
		return block;
	}

	/** Moves `block` up from the free place `at`. */
	private rise(at: number, block: B): void {
		const { heap } = this;
		while (at > 0) {
			const parent = (at - 1) >> 1;
			if (heap[parent]!.id < block.id) break;
			heap[at] = heap[parent]!;
			at = parent;
		}
		heap[at] = block;
	}

	/** Moves `block` down from the free place `at`. */
	private sink(at: number, block: B): void {
		const { heap } = this;
		for (;;) {
			let child = 2 * at + 1;
			if (child >= heap.length) break;
			if (child + 1 < heap.length && heap[child + 1]!.id < heap[child]!.id) child++;
			if (heap[child]!.id > block.id) break;
			heap[at] = heap[child]!;
			at = child;
		}
		heap[at] = block;
	}
}
