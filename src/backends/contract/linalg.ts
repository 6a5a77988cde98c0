/** Factorisations of square matrices, in place and for a batch at once. All matrices are contiguous and floating. */
import type { View } from './storage';

export interface LinalgKernels {
	/**
	 * Replaces each matrix A of lu [B, n, n] by its factors, P A = L U. U is stored on and above the diagonal, L below it. The diagonal of L is 1
	 * and not stored. In each column the entry of the largest magnitude becomes the pivot; of equal ones, the first. Row i of P A is row permutation[i] (int32, [B, n]) of A; sign [B]
	 * is the determinant of P, 1 or -1. permutation must hold 0 .. n - 1 and sign 1 before. A pivot of 0 leaves its column as it is.
	 */
	luFactor(
		inputs: Record<string, never>,
		outputs: { lu: View; permutation: View; sign: View },
		attributes: Record<string, never>,
	): void;

	/**
	 * Replaces the lower triangle of each matrix of l [B, n, n] by its Cholesky factor L, A = L L^T, and the rest by 0. Reads only the lower
	 * triangle. Writes NaN where A is not positive definite.
	 */
	choleskyFactor(inputs: Record<string, never>, outputs: { l: View }, attributes: Record<string, never>): void;

	/** Replaces x [B, n, m] by the solution of T X = x, where T is the upper or lower triangle of t [B, n, n]. `unit`: its diagonal is 1. */
	triangularSolve(inputs: { t: View }, outputs: { x: View }, attributes: { upper: boolean; unit: boolean }): void;
}
