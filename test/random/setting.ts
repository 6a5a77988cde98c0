/** A number from the environment of the test run, in a page as in Node; undefined if it is not set. */
export function setting(name: string): number | undefined {
	const globals = globalThis as { process?: { env: Record<string, string | undefined> } } & Record<string, unknown>;
	const text = globals.process?.env[name] ?? globals[name];
	return text === undefined || text === '' ? undefined : Number(text);
}
