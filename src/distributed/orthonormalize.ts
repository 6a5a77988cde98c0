/** Makes the columns of a matrix orthonormal, in place, by Gram-Schmidt, as PowerSGD needs it. `values` is [rows, columns]. */
export function orthonormalize(values: Float64Array, rows: number, columns: number): void {
	const dot = (a: number, b: number) => {
		let total = 0;
		for (let i = 0; i < rows; i++) total += values[i * columns + a]! * values[i * columns + b]!;
		return total;
	};
	for (let c = 0; c < columns; c++) {
		const before = Math.sqrt(dot(c, c));
		for (let b = 0; b < c; b++) {
			const along = dot(c, b);
			for (let i = 0; i < rows; i++) values[i * columns + c] = values[i * columns + c]! - along * values[i * columns + b]!;
		}
		const length = Math.sqrt(dot(c, c));
		// What is left of a column that depends on the others is rounding.
		const isIndependent = length > before * 1e-8;
		for (let i = 0; i < rows; i++) values[i * columns + c] = isIndependent ? values[i * columns + c]! / length : 0;
	}
}
