/**
 * A program that trains with every kind of state, for killedRuns.ts to kill: `trainer.mjs FOLDER`. It resumes from the checkpoint
 * in the folder, if any, prints each step, and writes its results at the end.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { add, crossEntropy, io, manualSeed, mul, nn, optim, randn, type Tensor, tidy } from 'wgrad';
import { DataLoader, TensorDataset } from 'wgrad/data';
import { Accuracy } from 'wgrad/metrics';
import { CsvLogger, EarlyStopping, fit, JsonlLogger, ModelCheckpoint } from 'wgrad/train';

const folder = process.argv[2]!;
const path = (name: string) => join(folder, name);
const device = 'cpu';

manualSeed(1);
const points = (count: number): [Tensor, Tensor] => {
	const x = randn([count, 4], { device });
	return [x, tidy(() => mul(x.select(1, 0), x.select(1, 1)).gt(0).to('int32'))];
};
const train = points(8 * 24 + 5);
const validation = points(40);

const model = new nn.Sequential(
	new nn.Linear(4, 12, { device }),
	new nn.BatchNorm1d(12, { device }),
	new nn.ReLU(),
	new nn.Dropout(0.2),
	new nn.Linear(12, 2, { device }),
);
const optimizer = new optim.Adam(model.parameters());
const scheduler = new optim.lrScheduler.OneCycleLR(optimizer, 0.02, { totalSteps: 25 * 12 });
const ema = new optim.EMA(model.parameters(), { decay: 0.9 });
const loader = new DataLoader(new TensorDataset(...train), {
	batchSize: 8,
	shuffle: true,
	seed: 7,
	transform: ([x, y]) => [add(x!, mul(randn(x!.shape, { device }), 0.1)), y!],
});

const history = await fit(model, loader, {
	loss: crossEntropy,
	optimizer,
	scheduler,
	ema,
	epochs: 12,
	batchSize: 16,
	validationData: validation,
	metrics: { accuracy: new Accuracy(), sure: (output) => output.softmax(1).amax(1).mean() },
	clipGradNorm: 1,
	callbacks: [
		// First in the list: its checkpoints must include the callbacks after it.
		new ModelCheckpoint(path('checkpoint.safetensors'), { everySteps: 3 }),
		new EarlyStopping({ patience: 20 }),
		new CsvLogger(path('log.csv')),
		new JsonlLogger(path('log.jsonl'), { everySteps: 2 }),
		{ onBatchEnd: ({ step }) => void process.stdout.write(`${step}\n`) },
	],
	resumeFrom: { name: path('checkpoint.safetensors'), optional: true },
	verbose: 0,
});

const averages = Object.fromEntries(ema.averages.map((average, i) => [`ema.${i}`, average]));
mkdirSync(folder, { recursive: true });
writeFileSync(path('final.safetensors'), await io.saveSafetensors({ ...model.stateDict(), ...averages }));
writeFileSync(path('history.json'), JSON.stringify(history.epochs.map(({ seconds: _, ...record }) => record)));
