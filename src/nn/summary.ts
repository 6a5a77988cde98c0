/** The table that `Module.summary` prints. */
import { noGrad } from '../autograd/modes';
import type { DType } from '../core/dtype';
import { formatShape } from '../core/errors';
import { zeros } from '../ops/creation';
import { Tensor } from '../tensor';
import { tidy } from '../tidy';
import type { Module } from './module';

interface Row {
	readonly name: string;
	readonly kind: string;
	readonly output: string;
	readonly parameters: number;
}

/** One line a layer; with `inputShape`, one trial run in inference mode finds the output shapes. */
export function summarize(module: Module, inputShape: readonly number[] | undefined, dtype: DType): string {
	const outputs = inputShape === undefined ? new Map<Module, string>() : outputShapes(module, inputShape, dtype);
	const rows: Row[] = module.namedModules().map(([path, part]) => ({
		name: path === '' ? '(model)' : path,
		kind: part.constructor.name,
		output: outputs.get(part) ?? '',
		parameters: part.ownParameters().reduce((sum, [, parameter]) => sum + parameter.size, 0),
	}));
	const parameters = module.parameters();
	const total = parameters.reduce((sum, parameter) => sum + parameter.size, 0);
	const trainable = parameters.reduce((sum, parameter) => sum + (parameter.requiresGrad ? parameter.size : 0), 0);
	const cells = [
		['layer', 'type', 'output shape', 'parameters'],
		...rows.map((row) => [row.name, row.kind, row.output, row.parameters === 0 ? '' : row.parameters.toLocaleString('en-US')]),
	];
	const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((line) => line[column]!.length)));
	const lines = cells.map((line) =>
		line.map((cell, column) => (column === 3 ? cell.padStart(widths[3]!) : cell.padEnd(widths[column]!))).join('  '),
	);
	const rule = '-'.repeat(lines[0]!.length);
	lines.splice(1, 0, rule);
	return [...lines, rule, `${total.toLocaleString('en-US')} parameters, ${trainable.toLocaleString('en-US')} trainable`].join(
		'\n',
	);
}

/** Runs the module once on zeros and notes what each part's forward gives. */
function outputShapes(module: Module, inputShape: readonly number[], dtype: DType): Map<Module, string> {
	const shapes = new Map<Module, string>();
	const modes = module.modules().map((part) => [part, part.training] as const);
	const device = module.parameters()[0]?.device;
	for (const [part] of modes) {
		const forward = part.forward;
		part.forward = (...inputs: never[]) => {
			const output = forward.apply(part, inputs);
			shapes.set(part, describe(output));
			return output;
		};
	}
	try {
		module.eval();
		noGrad(() =>
			tidy(
				() =>
					void (module.forward as (input: Tensor) => unknown)(
						zeros(inputShape, device === undefined ? { dtype } : { dtype, device }),
					),
			),
		);
	} finally {
		for (const [part, training] of modes) {
			part.training = training;
			// The own property that shadowed the class's method goes away.
			delete (part as { forward?: unknown }).forward;
		}
	}
	return shapes;
}

function describe(output: unknown): string {
	if (output instanceof Tensor) return formatShape(output.shape);
	if (Array.isArray(output)) return output.map(describe).join(', ');
	return '';
}
