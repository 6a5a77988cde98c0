/**
 * Line search for the strong Wolfe conditions: Nocedal and Wright 2006, algorithms 3.5 and 3.6 with cubic interpolation. Takes the same
 * steps as `torch.optim.lbfgs._strong_wolfe`, so that trajectories agree. Handles only numbers; vectors stay with the caller.
 */

/** The objective at one step length along the direction. */
export interface LinePoint<G> {
	/** The step length. */
	readonly t: number;
	readonly loss: number;
	/** The derivative along the direction. */
	readonly slope: number;
	/** The gradient, opaque to the search. */
	readonly gradient: G;
}

interface LineSearchResult<G> {
	readonly point: LinePoint<G>;
	readonly evaluations: number;
}

const SUFFICIENT_DECREASE = 1e-4;
const CURVATURE = 0.9;
const MOST_TRIALS = 25;

/**
 * Finds a step length from `start` (at t = 0), trying `t` first. `reach` is the largest absolute element of the direction. The search ends
 * when the bracket's length times `reach` falls below `toleranceChange`.
 */
export async function strongWolfe<G>(
	evaluate: (t: number) => Promise<LinePoint<G>>,
	start: LinePoint<G>,
	t: number,
	reach: number,
	toleranceChange: number,
): Promise<LineSearchResult<G>> {
	const decreased = (point: LinePoint<G>) => point.loss <= start.loss + SUFFICIENT_DECREASE * point.t * start.slope;
	const flat = (point: LinePoint<G>) => Math.abs(point.slope) <= -CURVATURE * start.slope;
	let previous = start;
	let point = await evaluate(t);
	let evaluations = 1;
	let trials = 0;
	// Unless the evaluations run out, a step between these two points satisfies the conditions.
	let bracket: [LinePoint<G>, LinePoint<G>] | null = null;
	for (; trials < MOST_TRIALS; trials++) {
		if (!decreased(point) || (trials > 1 && point.loss >= previous.loss)) {
			bracket = [previous, point];
			break;
		}
		if (flat(point)) return { point, evaluations };
		if (point.slope >= 0) {
			bracket = [previous, point];
			break;
		}
		const next = interpolate(previous, point, point.t + 0.01 * (point.t - previous.t), point.t * 10);
		previous = point;
		point = await evaluate(next);
		evaluations++;
	}
	bracket ??= [start, point];
	let low: 0 | 1 = bracket[0].loss <= bracket[1].loss ? 0 : 1;
	let crowded = false;
	while (trials < MOST_TRIALS) {
		const [near, far] = [Math.min(bracket[0].t, bracket[1].t), Math.max(bracket[0].t, bracket[1].t)];
		if ((far - near) * reach < toleranceChange) break;
		let next = interpolate(bracket[0], bracket[1], near, far);
		// A step close to an end hardly shortens the bracket, so the second one in a row moves inwards.
		const margin = 0.1 * (far - near);
		if (Math.min(far - next, next - near) < margin) {
			if (crowded || next >= far || next <= near) {
				next = Math.abs(next - far) < Math.abs(next - near) ? far - margin : near + margin;
				crowded = false;
			} else crowded = true;
		} else crowded = false;
		point = await evaluate(next);
		evaluations++;
		trials++;
		const high: 0 | 1 = low === 0 ? 1 : 0;
		if (!decreased(point) || point.loss >= bracket[low].loss) {
			bracket[high] = point;
			low = bracket[0].loss <= bracket[1].loss ? 0 : 1;
		} else {
			if (flat(point)) return { point, evaluations };
			if (point.slope * (bracket[high].t - bracket[low].t) >= 0) bracket[high] = bracket[low];
			bracket[low] = point;
		}
	}
	return { point: bracket[low], evaluations };
}

/** The minimum within bounds of the cubic through two points and their slopes. */
function interpolate<G>(a: LinePoint<G>, b: LinePoint<G>, least: number, most: number): number {
	const d1 = a.slope + b.slope - (3 * (a.loss - b.loss)) / (a.t - b.t);
	const square = d1 * d1 - a.slope * b.slope;
	if (!(square >= 0)) return (least + most) / 2;
	const d2 = Math.sqrt(square);
	const [left, right] = a.t <= b.t ? [a, b] : [b, a];
	const lowest = right.t - (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2));
	return Math.min(Math.max(lowest, least), most);
}
