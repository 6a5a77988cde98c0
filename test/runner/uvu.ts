/**
 * uvu as the test files see it: the bundler replaces 'uvu' by this module. It adds two things. It tells the runner
 * which test is running, so that the runner can name a test that crashed or hung. And it reports what uvu drops together with the
 * suite's tests: errors in hooks, and thrown values that are not errors.
 */
import * as uvu from 'uvu';

interface Globals {
	failedHooks?: string[];
	testStarted?: (name: string) => void;
}

const globals = globalThis as Globals;

function observe<T>(suite: uvu.Test<T>, suiteName: string): uvu.Test<T> {
	const named =
		(title: string, run: uvu.Callback<T>): uvu.Callback<T> =>
		async (context) => {
			globals.testStarted?.(suiteName ? `${suiteName}: ${title}` : title);
			try {
				await run(context);
			} catch (error) {
				throw error instanceof Error ? error : new Error(`threw ${String(error)}, which is no error`);
			}
		};
	const reporting =
		(kind: string, hook: uvu.Callback<T>): uvu.Callback<T> =>
		async (context) => {
			try {
				await hook(context);
			} catch (error) {
				const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
				globals.failedHooks?.push(`  a hook (${kind}) of suite '${suiteName}' threw\n    ${stack}\n`);
				throw error;
			}
		};
	const observed = (title: string, run: uvu.Callback<T>): void => suite(title, named(title, run));
	return Object.assign(observed, {
		only: (title: string, run: uvu.Callback<T>) => suite.only(title, named(title, run)),
		skip: suite.skip,
		before: Object.assign((hook: uvu.Callback<T>) => suite.before(reporting('before', hook)), {
			each: suite.before.each,
		}),
		after: Object.assign((hook: uvu.Callback<T>) => suite.after(reporting('after', hook)), {
			each: (hook: uvu.Callback<T>) => suite.after.each(reporting('after each', hook)),
		}),
		run: suite.run,
	});
}

export function suite<T = uvu.Context>(name = '', state?: T): uvu.Test<T> {
	return observe(uvu.suite(name, state), name);
}

export const test: uvu.Test = observe(uvu.test, '');
