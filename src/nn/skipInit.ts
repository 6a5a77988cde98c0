/** Makes modules without drawing random values: a model whose weights come from a file. */
let isSkipped = false;

export function areRandomValuesSkipped(): boolean {
	return isSkipped;
}

/** Runs `make`. Parameters made in it have no values yet. */
export function withoutRandomValues<T>(make: () => T): T {
	const before = isSkipped;
	isSkipped = true;
	try {
		return make();
	} finally {
		isSkipped = before;
	}
}
