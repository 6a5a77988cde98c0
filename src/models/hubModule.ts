/** The base of the architectures' modules. */
import { noGrad } from '../autograd/modes';
import { ArgumentError } from '../core/errors';
import { Module, type Parameter } from '../nn';
import type { PretrainedConfig } from './config';

/** `queryProj` to `query_proj`. Names that begin with a capital letter, such as LayerNorm, stay as they are. */
function keyOf(property: string): string {
	return /^[A-Z]/.test(property) ? property : property.replace(/[a-z](?=[A-Z])/g, '$&_').toLowerCase();
}

/** A module with properties in camelCase and keys in snake_case in `stateDict`, as in Hugging Face's and torchvision's files. */
export abstract class HubModule extends Module {
	override namedChildren(): [string, Module][] {
		return super.namedChildren().map(([name, child]) => [keyOf(name), child]);
	}

	override ownParameters(): [string, Parameter][] {
		return super.ownParameters().map(([name, parameter]) => [keyOf(name), parameter]);
	}
}

/** Computes in inference mode: without dropout and tape. */
export function inferring<T>(model: Module, compute: () => T): T {
	const { training } = model;
	model.eval();
	try {
		return noGrad(compute);
	} finally {
		model.train(training);
	}
}

/** Throws unless a model sees this many tokens at once. */
export function requireLength(model: Module, tokens: number, maxLength: number): void {
	if (tokens <= maxLength) return;
	throw new ArgumentError(
		`${model.constructor.name}: ${tokens} tokens are more than the ${maxLength} that the model sees. Shorten the text, for example with the maxLength of encodeBatch()`,
	);
}

/** A whole architecture. */
export abstract class PretrainedModel extends HubModule {
	constructor(
		/** The contents of `config.json`. */
		readonly config: PretrainedConfig,
	) {
		super();
	}

	/** The contents of `generation_config.json`, or null without that file. */
	generation: PretrainedConfig | null = null;
	/** The name of the file with the weights, as libraries write it. */
	readonly weightsName: string = 'model.safetensors';

	/** The model's key for a tensor of a file, or null if the model does not need the tensor. */
	keyOf(key: string): string | null {
		return key;
	}

	/** The file's key for a tensor of the model: the reverse of `keyOf`. */
	fileKeyOf(key: string): string {
		return key;
	}
}
