/**
 * The check of an index, with all that its error needs. The CPU throws at once for an index out of range. The GPU finds it after the call
 * has returned, so the check also carries the call site.
 */

/** The values that an index may have, and the wording of the error for any other. */
export interface IndexCheck {
	/** The operation's name. */
	readonly operation: string;
	/** The least valid value, and the number of valid values from there. */
	readonly least: number;
	readonly count: number;
	/** One further valid value. Default none. */
	readonly ignored?: number;
	/** Whether -count to -1 are valid and count from the end. The host adds `count` before kernels see such an index. Default false. */
	readonly wraps?: boolean;
	/** Whether values must not decrease and must begin with `least`. Default false. */
	readonly ascending?: boolean;
	/** The error reads `operation: noun index rule`. */
	readonly noun: string;
	readonly rule: string;
	/** The result of `callSite()`, if the error comes later than the call. */
	readonly call?: Error;
}

/** The message for an index that `check` does not allow. */
export function indexMessage({ operation, noun, rule, call }: IndexCheck, index: number): string {
	const frames = call === undefined ? '' : callerFrames(call.stack ?? '');
	return `${operation}: ${noun} ${index} ${rule}${frames === '' ? '' : `. It was called at\n${frames}`}`;
}

/** The number of frames to capture. Composed operations have more internal frames than the ten that V8 keeps by default. */
const FRAMES = 32;

/**
 * Captures the call site. Engines capture an error's stack at once and format it when it is first read. The result keeps the receivers of
 * the calls on that stack alive.
 */
export function callSite(): Error {
	const errors = Error as { stackTraceLimit?: number };
	const { stackTraceLimit } = errors;
	if (stackTraceLimit === undefined) return new Error('call');
	errors.stackTraceLimit = Math.max(stackTraceLimit, FRAMES);
	const call = new Error('call');
	errors.stackTraceLimit = stackTraceLimit;
	return call;
}

/** The end of a stack frame in every engine: file, line and column. */
const PLACE = /((?:\w+:\/)?[/\\][^()]*|\w:\\[^()]*):\d+:\d+\)?$/;
/** In sources (through source maps) this file is one folder deeper than the library; in bundles it is not. */
const OWN_FILE = /(?:[/\\]core)?[/\\][^/\\]*$/;

/** The frames of a captured stack from the first one outside this library. Returns all frames if one bundle holds program and library. */
export function callerFrames(stack: string): string {
	const { frames, outside } = parse(stack);
	return frames.slice(Math.max(outside, 0)).join('\n');
}

/** The first frame outside this library. If one bundle holds program and library, the outermost frame. */
export function callerFrame(stack: string): string {
	const { frames, outside } = parse(stack);
	const frame = outside >= 0 ? frames[outside] : frames.filter((line) => !line.includes('at async ')).at(-1);
	return (frame ?? '').trim();
}

function parse(stack: string) {
	const frames = stack.split('\n').filter((line) => PLACE.test(line) && !line.includes('node:'));
	const files = frames.map((line) => PLACE.exec(line)![1]!);
	const folder = files[0]?.replace(OWN_FILE, '') ?? '';
	return { frames, outside: files.findIndex((file) => !file.startsWith(folder)) };
}
