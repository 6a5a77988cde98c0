/** Follows the output channels of a layer to the layers that mix them. */
import { numel } from '../../../core/shape';
import type { Linear } from '../../linear';
import type { Module } from '../../module';
import { Flatten } from '../../reshape';
import { type Conv, groupsOf, isConv, isDepthwise, isElementwise, isLinear, isNorm, isPool, producerOf } from './layers';
import type { Call, Value } from './trace';

/** The position of the channels in a tensor. */
interface Place {
	readonly dim: number;
	/** Consecutive entries along the dim that come from one channel of the producer: after Flatten, its positions. */
	readonly spread: number;
}

/** A layer that keeps channels separate, and the branch after it. */
interface Passage {
	readonly module: Module;
	readonly spread: number;
	/** The number of output entries for each input entry. */
	readonly factor: number;
	readonly next: Branch;
}

/** The layers that take a tensor: those that keep channels separate, and those that mix them. */
export interface Branch {
	readonly passages: readonly Passage[];
	readonly ends: readonly { readonly module: Linear | Conv; readonly spread: number }[];
}

export interface Chain {
	readonly module: Linear | Conv;
	readonly next: Branch;
}

/** Returns the chain of a layer, or the reason why it has none. */
export function chainOf(call: Call): Chain | string {
	const { module } = producerOf(call.module)!;
	if (isConv(module) && groupsOf(module) > 1) return 'a grouped convolution';
	if (call.calls > 1) return `the model calls it ${call.calls} times`;
	const rank = call.output.shape.length;
	if (isConv(module) && rank !== module.kernelSize.length + 2) return 'its input has no batch';
	try {
		return { module, next: follow(call.output, { dim: isLinear(module) ? rank - 1 : 1, spread: 1 }) };
	} catch (error) {
		if (error instanceof Unfollowed) return error.message;
		throw error;
	}
}

/** The reason why slim cannot follow the channels. */
class Unfollowed extends Error {}

function follow(value: Value, place: Place): Branch {
	if (value.elsewhere !== null) throw new Unfollowed(value.elsewhere);
	if (value.consumers.length === 0) throw new Unfollowed('no layer takes its output');
	const passages: Passage[] = [];
	const ends: Branch['ends'][number][] = [];
	const rank = value.shape.length;
	for (const call of value.consumers) {
		const { module } = call;
		const name = `${call.path} (${module.constructor.name})`;
		if (call.calls > 1) throw new Unfollowed(`its output goes into ${name}, which the model calls ${call.calls} times`);
		const fits = isLinear(module) ? place.dim === rank - 1 : isElementwise(module) || place.dim === 1;
		if (!fits) throw new Unfollowed(`its channels are not those of ${name}`);
		const next = passedBy(module, value, place);
		if (next !== null)
			passages.push({ module, spread: place.spread, factor: next.spread / place.spread, next: follow(call.output, next) });
		else if (isLinear(module) || (isConv(module) && groupsOf(module) === 1)) ends.push({ module, spread: place.spread });
		else throw new Unfollowed(`its output goes into ${name}, which slim cannot follow`);
	}
	return { passages, ends };
}

/** The position of the channels after a layer that keeps them separate; null for other layers. */
function passedBy(module: Module, { shape }: Value, { dim, spread }: Place): Place | null {
	if (isElementwise(module) || isNorm(module)) return { dim, spread };
	if (isPool(module)) return shape.length > 2 ? { dim, spread } : null;
	if (isConv(module) && isDepthwise(module)) return { dim, spread: spread * (module.outChannels / module.inChannels) };
	if (!(module instanceof Flatten) || module.startDim !== 1 || ![-1, shape.length - 1].includes(module.endDim)) return null;
	return { dim, spread: spread * numel(shape.slice(2)) };
}
