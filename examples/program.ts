/** What the example programs share: their options, the device they run on, and how they end. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { type Device, type DeviceInfo, init } from 'wgrad';
import { ensureAdapter } from '../adapters/driver.mjs';
import { withoutNotices } from '../adapters/notices.mjs';

/** An option that turns out to be wrong when the program uses it: `run` says so in a line, and ends with code 2. */
export class WrongOption extends Error {}

/** An option's parser: a whole number from `lowest` to `highest`. */
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

/** An option's parser: a number from `lowest` to `highest`. */
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

/** An option's parser: one of `names`. */
export function oneOf<const T extends string>(...names: T[]): (text: string) => T {
	return (text) => {
		const name = names.find((name) => name === text);
		if (name === undefined) throw new InvalidArgumentError(`It takes ${names.join(' or ')}.`);
		return name;
	};
}

/** Where a program computes: prepares the adapter, starts wgrad and says what it found. */
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

/** What a program must reach at its full size, which is that of its default options. */
export interface Goal {
	/** What is measured, such as 'test accuracy'. */
	readonly figure: string;
	readonly atLeast?: number;
	readonly atMost?: number;
	/** What follows the number, such as '%'. Default: nothing. */
	readonly unit?: string;
	/** Digits behind the decimal point. Default 2. */
	readonly digits?: number;
}

function shownIn({ unit, digits = 2 }: Goal, value: number): string {
	return `${value.toFixed(digits)}${unit === undefined ? '' : ` ${unit}`}`;
}

/** The goal in words: 'test accuracy at least 99.00 %'. */
export function goalText(goal: Goal): string {
	const { figure, atLeast, atMost } = goal;
	const bounds = [
		...(atLeast === undefined ? [] : [`at least ${shownIn(goal, atLeast)}`]),
		...(atMost === undefined ? [] : [`at most ${shownIn(goal, atMost)}`]),
	];
	return `${figure} ${bounds.join(' and ')}`;
}

/** Whether `reached` satisfies the goal; NaN satisfies none. */
export function isReached(
	{ atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY }: Goal,
	reached: number,
): boolean {
	return reached >= atLeast && reached <= atMost;
}

/** Prints the goal, the figure and whether it satisfies the goal; a missed goal gives the process the exit code 1. `npm run examples` reads the line. */
export function mustReach(goal: Goal, reached: number): boolean {
	const satisfied = isReached(goal, reached);
	console.log(`must reach: ${goalText(goal)}; reached ${shownIn(goal, reached)}: ${satisfied ? 'yes' : 'no'}`);
	if (!satisfied) process.exitCode = 1;
	return satisfied;
}

/**
 * A command with the options that all examples have; a wrong option ends the program with code 2, before anything is computed. Its help
 * ends with the goals.
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

/** Reads the command line and runs `action` on what it says. */
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
