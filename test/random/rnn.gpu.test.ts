import { nn, type Tensor } from 'wgrad';
import { testRandom } from './drive';

const KINDS = { LSTM: nn.LSTM, GRU: nn.GRU, RNN: nn.RNN };
const GATES = { LSTM: 4, GRU: 3, RNN: 1 };

// Up to six steps in two layers, each of which rounds the results of the previous one: twice the units of a single operation.
testRandom(
	'rnn',
	(d) => {
		const kind = d.pick(['LSTM', 'GRU', 'RNN'] as const);
		const [time, batch, inputs, hidden] = [d.int(1, 6), d.int(1, 5), d.size({ most: 33 }), d.size({ most: 33 })];
		const numLayers = d.oneIn(3) ? 2 : 1;
		const [bidirectional, batchFirst, bias] = [d.oneIn(3), d.bool(), !d.oneIn(4)];
		const directions = bidirectional ? 2 : 1;
		const range = { low: -1, high: 1 };
		const x = d.input(batchFirst ? [batch, time, inputs] : [time, batch, inputs], 'float32', range);
		const state = () => d.input([numLayers * directions, batch, hidden], 'float32', range);
		const states = kind === 'LSTM' ? [state(), state()] : [state()];
		const keys: string[] = [];
		const parameters = [];
		const width = GATES[kind] * hidden;
		for (let layer = 0; layer < numLayers; layer++) {
			for (const suffix of bidirectional ? ['', '_reverse'] : ['']) {
				const shapes = { weight_ih: [width, layer === 0 ? inputs : hidden * directions], weight_hh: [width, hidden] };
				for (const [part, shape] of Object.entries({ ...shapes, ...(bias && { bias_ih: [width], bias_hh: [width] }) })) {
					keys.push(`${part}_l${layer}${suffix}`);
					parameters.push(d.input(shape, 'float32', { low: -0.7, high: 0.7 }));
				}
			}
		}
		const lengths = d.oneIn(3) ? [d.input([batch], 'int32', { low: 1, high: time + 1 })] : [];
		const options = { numLayers, bidirectional, batchFirst, bias };
		const call = ([given, ...rest]: Tensor[]) => {
			const { dtype, device } = given!;
			const layer = new KINDS[kind](inputs, hidden, { ...options, dtype, device });
			for (const [i, key] of keys.entries()) (layer as unknown as Record<string, Tensor>)[key] = rest[states.length + i]!;
			const sequence = lengths.length > 0 ? { lengths: rest.at(-1)! } : {};
			if (layer instanceof nn.LSTM) {
				const [y, [h, c]] = layer.forward(given!, [rest[0]!, rest[1]!], sequence);
				return [y, h, c];
			}
			return layer.forward(given!, rest[0]!, sequence);
		};
		return d.case(kind, [x, ...states, ...parameters, ...lengths], call, { ...options, inputs, hidden });
	},
	{ ulps: 64, half: true },
);
