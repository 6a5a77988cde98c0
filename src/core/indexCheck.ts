/**
 * What an index must be. On the CPU an index out of range throws at once. The GPU finds it after the call has returned, so a check carries all
 * that its error needs, and where the operation was called.
 */

/** The values that an index may have, and the words of the error for any other. */
export interface IndexCheck {
	/** The operation that was called. */
	readonly operation: string;
	/** The least valid value, and how many are valid from there on. */
	readonly least: number;
	readonly count: number;
	/** A value that is valid, too. Default none. */
	readonly ignored?: number;
	/** Whether -count to -1 are valid and count from the end. Kernels get such an index with `count` added. Default false. */
	readonly wraps?: boolean;
	/** Whether each value must be at least the one before, and the first one `least`. Default false. */
	readonly ascending?: boolean;
	/** The error is `operation: noun index rule`. */
	readonly noun: string;
	readonly rule: string;
	/** Made by `callSite()` where the error comes later than the call. */
	readonly call?: Error;
}

/** The error for an index, or value, that `check` does not allow. */
export function indexMessage({ operation, noun, rule, call }: IndexCheck, index: number): string {
	const frames = call === undefined ? '' : callerFrames(call.stack ?? '');
	return `${operation}: ${noun} ${index} ${rule}${frames === '' ? '' : `. It was called at\n${frames}`}`;
}

/** Frames to capture: operations that are made of others have more of the library's own than the ten that V8 keeps. */
const FRAMES = 32;

/**
 * Where the call under way comes from. Engines capture the stack of an error at once and format it only when it is read. Whoever keeps the
 * result keeps the receivers of the calls on that stack.
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

/** The end of a frame, in every engine: file, line and column. */
const PLACE = /((?:\w+:\/)?[/\\][^()]*|\w:\\[^()]*):\d+:\d+\)?$/;
/** In sources, as source maps show them, this file is a folder deeper than the library; in bundles it is not. */
const OWN_FILE = /(?:[/\\]core)?[/\\][^/\\]*$/;

/** The frames of a stack that `callSite` captured, from the first one outside of this library; all of them where one bundle holds both. */
function callerFrames(stack: string): string {
	const { frames, outside } = parse(stack);
	return frames.slice(Math.max(outside, 0)).join('\n');
}

/** The first of them; where one bundle holds both, the outermost frame of the task. */
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
