/**
 * The order of collective calls. Each starts after all earlier ones have started, whatever time the reading of their tensors takes: MPI
 * pairs the calls of the ranks by their order.
 */
let turn: Promise<unknown> = Promise.resolve();

/** Calls `issue` with what `ready` gives, in the order of the calls of this function. */
export function inOrder<R, T>(ready: Promise<R>, issue: (values: R) => Promise<T>, before?: () => Promise<void>): Promise<T> {
	const started = turn.then(async () => {
		const values = await ready;
		await before?.();
		// In an object, so that the next call waits for the start only.
		return { result: issue(values) };
	});
	turn = started.catch(() => {});
	return started.then(({ result }) => result);
}

/** Runs `calls`, several calls one after the other, with no other between them. */
export function alone<T>(calls: () => Promise<T>): Promise<T> {
	const done = turn.then(calls);
	turn = done.catch(() => {});
	return done;
}
