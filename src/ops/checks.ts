/** The former place of the checks in core/checks.ts and tensorChecks.ts, for code that still imports them from here. */
import { requireFraction } from '../core/checks';

export { describe as shown, requireCounts, requireNumber, requireSizesOf as requireSizes } from '../core/checks';
export {
	requireDistinct,
	requireDivisor,
	requireOperands,
	requireSameDevice,
	requireState,
	requireTensor,
} from '../tensorChecks';

export function requireProbability(operation: string, p: unknown, name = 'p'): void {
	requireFraction(operation, name, p);
}
