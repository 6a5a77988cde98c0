/** Makes modules without the values and the memory of their parameters: a model whose weights come from a file. */
let isSkipped = false;

export function areValuesSkipped(): boolean {
	return isSkipped;
}

/** Runs `make`. Parameters made in it have a shape, but no memory, until they adopt a tensor. */
export function withoutValues<T>(make: () => T): T {
	const before = isSkipped;
	isSkipped = true;
	try {
		return make();
	} finally {
		isSkipped = before;
	}
}
