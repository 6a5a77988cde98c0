/** The network of the plane, and its optimizer. */
import { nn, optim } from 'wgrad';

export interface Settings {
	readonly shape: 'circles' | 'spirals' | 'quarters' | 'clouds';
	/** Points, half of them for testing. */
	readonly points: number;
	readonly noise: number;
	/** Hidden layers, and units in each. */
	readonly layers: number;
	readonly width: number;
	readonly activation: keyof typeof ACTIVATIONS;
	readonly optimizer: keyof typeof OPTIMIZERS;
	readonly lr: number;
	/** Factors of the penalties. */
	readonly l2: number;
	readonly l1: number;
	readonly batchSize: number;
	readonly steps: number;
	readonly seed: number;
}

export const ACTIVATIONS = {
	tanh: () => new nn.Tanh(),
	relu: () => new nn.ReLU(),
	sigmoid: () => new nn.Sigmoid(),
	gelu: () => new nn.GELU(),
} as const;

interface Rates {
	readonly lr: number;
	readonly weightDecay?: number;
	readonly l1?: number;
}

/** The optimizers that a page offers, by name. */
export const OPTIMIZERS = {
	sgd: (params: nn.Parameter[], rates: Rates) => new optim.SGD(params, rates),
	momentum: (params: nn.Parameter[], rates: Rates) => new optim.SGD(params, { ...rates, momentum: 0.9 }),
	rmsprop: (params: nn.Parameter[], rates: Rates) => new optim.RMSprop(params, rates),
	adam: (params: nn.Parameter[], rates: Rates) => new optim.Adam(params, rates),
} as const;

/** Maps places [N, 2] to logits [N, 1] of class 1. */
export function network({ layers, width, activation }: Pick<Settings, 'layers' | 'width' | 'activation'>): nn.Sequential {
	const model = new nn.Sequential();
	for (let i = 0; i < layers; i++) {
		model.append(new nn.Linear(i === 0 ? 2 : width, width));
		model.append(ACTIVATIONS[activation]());
	}
	return model.append(new nn.Linear(layers === 0 ? 2 : width, 1));
}
