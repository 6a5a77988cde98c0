/**
 * Runs all of `list` at once when the result of one is first asked for, and gives each its own result or error: kernels that nothing waits
 * for compile side by side and share their reads, which is most of the time that tests take.
 */
export function together<T, R>(list: readonly T[], run: (each: T) => Promise<R>): (each: T) => Promise<R> {
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
