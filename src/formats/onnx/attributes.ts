/** The attributes of a node, by name and type. */
import { FormatError } from '../../core/errors';
import { quote } from '../../io/header';
import { ATTRIBUTE_TYPE, type AttributeProto, type GraphProto, type TensorProto } from './messages';

type Kind = keyof typeof ATTRIBUTE_TYPE;

export class Attributes {
	readonly #byName: ReadonlyMap<string, AttributeProto>;

	constructor(
		attributes: readonly AttributeProto[],
		/** The node, for messages. */
		readonly node: string,
	) {
		this.#byName = new Map(attributes.map((attribute) => [attribute.name, attribute]));
	}

	has(name: string): boolean {
		return this.#byName.has(name);
	}

	int(name: string, otherwise?: number): number {
		return this.#find(name, 'int')?.i ?? this.#default(name, otherwise);
	}

	flag(name: string, otherwise = false): boolean {
		return this.int(name, Number(otherwise)) !== 0;
	}

	float(name: string, otherwise?: number): number {
		return this.#find(name, 'float')?.f ?? this.#default(name, otherwise);
	}

	text(name: string, otherwise?: string): string {
		const found = this.#find(name, 'string');
		return found === undefined ? this.#default(name, otherwise) : decode(found.s);
	}

	/** One of `choices`; the first if the attribute is absent. */
	choice<const T extends string>(name: string, choices: readonly T[]): T {
		const text = this.text(name, choices[0]);
		const found = choices.find((choice) => choice.toLowerCase() === text.toLowerCase());
		if (found !== undefined) return found;
		throw new FormatError(`${this.node}: ${name} is ${quote(text)}, and only ${choices.join(', ')} are read`);
	}

	ints(name: string): readonly number[] | null {
		return this.#find(name, 'ints')?.ints ?? null;
	}

	floats(name: string): readonly number[] | null {
		return this.#find(name, 'floats')?.floats ?? null;
	}

	texts(name: string): readonly string[] | null {
		return this.#find(name, 'strings')?.strings.map(decode) ?? null;
	}

	tensor(name: string): TensorProto | null {
		return this.#find(name, 'tensor')?.t ?? null;
	}

	graph(name: string): GraphProto {
		const graph = this.#find(name, 'graph')?.g;
		if (graph == null) throw new FormatError(`${this.node} has no attribute ${name}`);
		return graph;
	}

	#find(name: string, kind: Kind): AttributeProto | undefined {
		const found = this.#byName.get(name);
		if (found === undefined || found.type === ATTRIBUTE_TYPE[kind]) return found;
		throw new FormatError(`${this.node}: attribute ${name} must hold ${kind}, not type ${found.type}`);
	}

	#default<T>(name: string, otherwise: T | undefined): T {
		if (otherwise !== undefined) return otherwise;
		throw new FormatError(`${this.node} has no attribute ${name}`);
	}
}

export function decode(bytes: Uint8Array): string {
	return new TextDecoder().decode(bytes);
}
