/** Shared code of the example programs: options, device, goals and exit codes. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { type Device, type DeviceInfo, init } from 'wgrad';
import { ensureAdapter } from '../adapters/driver.mjs';
import { withoutNotices } from '../adapters/notices.mjs';

/** An option that proves invalid when the program uses it. `run` prints one line and exits with code 2. */
export class WrongOption extends Error {}

/** Makes an option parser for integers from `lowest` to `highest`. */
export function whole(lowest: number, highest = Number.MAX_SAFE_INTEGER): (text: string) => number {
	return (text) => {
		const value = Number(text);
		if (!/^\d+$/.test(text) || value < lowest || value > highest) {
			const range = highest === Number.MAX_SAFE_INTEGER ? `from ${lowest} up` : `from ${lowest} to ${highest}`;
			throw new InvalidArgumentError(`It takes a whole number ${range}.`);
		}
		return value;
	};
}

/** Makes an option parser for numbers from `lowest` to `highest`. */
export function number(lowest: number, highest = Number.POSITIVE_INFINITY): (text: string) => number {
	return (text) => {
		const value = Number(text);
		if (text.trim() === '' || !(value >= lowest && value <= highest)) {
			const range = highest === Number.POSITIVE_INFINITY ? `from ${lowest} up` : `from ${lowest} to ${highest}`;
			throw new InvalidArgumentError(`It takes a number ${range}.`);
		}
		return value;
	};
}

/** Makes an option parser for one of `names`. */
export function oneOf<const T extends string>(...names: T[]): (text: string) => T {
	return (text) => {
		const name = names.find((name) => name === text);
		if (name === undefined) throw new InvalidArgumentError(`It takes ${names.join(' or ')}.`);
		return name;
	};
}

/** Options of several programs, each with the program's own default. */
export const stepsOption = (steps: number) => new Option('--steps <n>', 'steps').argParser(whole(1)).default(steps);

/** `samples` says what a batch consists of. */
export const batchSizeOption = (samples: string, size: number, largest?: number) =>
	new Option('--batch-size <n>', `${samples} a step`).argParser(whole(1, largest)).default(size);

/** For optimizers that follow OneCycleLR. */
export const cycleRateOption = (lr: number) =>
	new Option('--lr <x>', 'the highest learning rate, which rises and falls').argParser(number(0)).default(lr);

export const widthOption = (width: number) => new Option('--width <n>', 'features of a token').argParser(whole(1)).default(width);

export const headsOption = (heads: number) =>
	new Option('--heads <n>', 'attention heads; they divide the width').argParser(whole(1)).default(heads);

export function requireHeadsToDivide(width: number, heads: number): void {
	if (width % heads !== 0) throw new WrongOption(`a width of ${width} does not divide into ${heads} heads`);
}

/** Prepares the adapter, initializes wgrad and prints the device. */
export async function startDevice(device: Device): Promise<DeviceInfo> {
	const info = await withoutNotices(async () => {
		if (device === 'webgpu') await ensureAdapter();
		return init({ device });
	});
	const { adapter } = info;
	if (adapter === null) {
		console.log('device: cpu (the float64-accumulating reference, slow)');
	} else {
		const kind = adapter.isSoftware ? 'a software adapter' : 'a GPU';
		console.log(`device: webgpu on ${adapter.description || adapter.device || adapter.vendor} (${kind})`);
	}
	return info;
}

/** The result that a program must reach with its default options. */
export interface Goal {
	/** The name of the result, such as 'test accuracy'. */
	readonly figure: string;
	readonly atLeast?: number;
	readonly atMost?: number;
	/** The unit after the number, such as '%'. Default: none. */
	readonly unit?: string;
	/** Digits after the decimal point. Default 2. */
	readonly digits?: number;
}

function shownIn({ unit, digits = 2 }: Goal, value: number): string {
	return `${value.toFixed(digits)}${unit === undefined ? '' : ` ${unit}`}`;
}

/** Describes the goal: 'test accuracy at least 99.00 %'. */
function goalText(goal: Goal): string {
	const { figure, atLeast, atMost } = goal;
	const bounds = [
		...(atLeast === undefined ? [] : [`at least ${shownIn(goal, atLeast)}`]),
		...(atMost === undefined ? [] : [`at most ${shownIn(goal, atMost)}`]),
	];
	return `${figure} ${bounds.join(' and ')}`;
}

/** Whether `reached` satisfies the goal. NaN never does. */
function isReached({ atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY }: Goal, reached: number): boolean {
	return reached >= atLeast && reached <= atMost;
}

/**
 * Prints the goal, the result, and whether the result satisfies the goal. A missed goal sets the exit code to 1. `npm run examples` parses
 * the line.
 */
export function mustReach(goal: Goal, reached: number): boolean {
	const satisfied = isReached(goal, reached);
	console.log(`must reach: ${goalText(goal)}; reached ${shownIn(goal, reached)}: ${satisfied ? 'yes' : 'no'}`);
	if (!satisfied) process.exitCode = 1;
	return satisfied;
}

/**
 * Makes a command with the options that all examples share. An invalid option ends the program with code 2 before it computes anything. The
 * help text ends with the goals.
 */
export function program(description: string, ...goals: readonly Goal[]): Command {
	const lines = goals.map((goal) => `\n  ${goalText(goal)}`);
	return new Command()
		.addHelpText('after', lines.length === 0 ? '' : `\nMust reach, with the default options:${lines.join('')}`)
		.description(description)
		.option('--device <name>', 'webgpu or cpu', oneOf('webgpu', 'cpu'), 'webgpu')
		.option('--seed <n>', 'the same seed gives the same numbers', whole(0), 1)
		.helpOption('--help', 'this text')
		.allowExcessArguments(false)
		.showHelpAfterError()
		.exitOverride();
}

/** Parses the command line and runs `action` with the options. */
export async function run<Options extends object>(command: Command, action: (options: Options) => Promise<void>): Promise<void> {
	try {
		command.parse();
	} catch (error) {
		if (!(error instanceof CommanderError)) throw error;
		process.exitCode = error.exitCode === 0 ? 0 : 2;
		return;
	}
	try {
		await action(command.opts<Options>());
	} catch (error) {
		if (!(error instanceof WrongOption)) throw error;
		console.error(`error: ${error.message}`);
		process.exitCode = 2;
	}
}
