/**
 * Starts all of `list` at once when the first result is requested, and returns to each its own result or error. Kernels that
 * nothing waits for compile in parallel and share their reads, which saves most of the tests' time.
 */
export function concurrently<T, R>(list: readonly T[], run: (each: T) => Promise<R>): (each: T) => Promise<R> {
	let runs: Map<T, Promise<() => R>> | undefined;
	return async (each) => {
		runs ??= new Map(
			list.map((one) => [
				one,
				run(one).then(
					(value) => () => value,
					(error) => () => {
						throw error;
					},
				),
			]),
		);
		return (await runs.get(each)!)();
	};
}
