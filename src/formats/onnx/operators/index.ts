/** The operators that are read, by domain and name. */
import type { Operator, Table } from '../operator';
import { ACTIVATIONS } from './activation';
import { ATTENTION, MICROSOFT_ATTENTION } from './attention';
import { CONTROL } from './control';
import { CONVOLUTION } from './convolution';
import { CREATION } from './creation';
import { ELEMENTWISE } from './elementwise';
import { INDEXING } from './indexing';
import { LAYOUT } from './layout';
import { LOSSES } from './loss';
import { MATRICES } from './matrix';
import { MICROSOFT } from './microsoft';
import { NORMS } from './norm';
import { POOLS } from './pool';
import { MICROSOFT_QUANTIZED, QUANTIZED } from './quantize';
import { RECURRENT } from './recurrent';
import { REDUCTIONS } from './reduce';
import { RESIZE } from './resize';
import { SIGNALS } from './signal';

/** The domain '' is the standard's, ai.onnx. */
export const OPERATORS: Readonly<Record<string, Table>> = {
	'': {
		...ELEMENTWISE,
		...ACTIVATIONS,
		...REDUCTIONS,
		...MATRICES,
		...CONVOLUTION,
		...POOLS,
		...NORMS,
		...LAYOUT,
		...RESIZE,
		...INDEXING,
		...CREATION,
		...RECURRENT,
		...QUANTIZED,
		...SIGNALS,
		...LOSSES,
		...ATTENTION,
		...CONTROL,
	},
	'com.microsoft': { ...MICROSOFT, ...MICROSOFT_ATTENTION, ...MICROSOFT_QUANTIZED },
};

export function operatorOf(domain: string, name: string): Operator | undefined {
	const table = Object.hasOwn(OPERATORS, domain) ? OPERATORS[domain] : undefined;
	return table !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
}

/** The domain under its usual name: the standard's has two. */
export function domainOf(name: string): string {
	return name === 'ai.onnx' ? '' : name;
}
