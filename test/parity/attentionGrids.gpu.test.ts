/**
 * Attention with folded grids and in divided launches, as the adapter chooses: software adapters take too long to compile the variants for
 * GPUs.
 */
import { test } from 'uvu';
import { type Case, empty, OWN_FORM, proveFolded, random, runtimes } from './folded';

const attention: Case = (device, { attention, attentionRows, attentionGradQuery, attentionGradKeyValue }) => {
	const shape = [2, 3, 70, 32];
	const [q, k, v] = [random(device, 'q', shape), random(device, 'k', shape), random(device, 'v', shape)];
	const gradient = random(device, 'gradient', shape);
	const attributes = { scale: 0.2, causal: true, dropout: null };
	const [o, dq, dk, dv] = [empty(device, shape), empty(device, shape), empty(device, shape), empty(device, shape)];
	const [logSumExp, rows] = [empty(device, [2, 3, 70, 2]), empty(device, [2, 3, 70, 4])];
	attention({ q, k, v }, { o, logSumExp }, attributes);
	attentionRows({ o, gradient, logSumExp }, { rows }, {});
	attentionGradQuery({ q, k, v, gradient, rows }, { dq }, attributes);
	attentionGradKeyValue({ q, k, v, gradient, rows }, { dk, dv }, attributes);
	return [o, logSumExp, dq, dk, dv];
};

proveFolded(runtimes(), 'as the adapter chooses: attention', OWN_FORM, attention);
test.run();
