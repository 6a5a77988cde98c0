/** The page: trains the network of `npm start` in the browser and predicts drawn digits at the same time. */
import { chooseDevice, element, showProgress, startPage } from '../page';
import { LossChart } from './chart';
import { showPhase, suggest } from './controls';
import { downloadMnist } from './download';
import { Guesser } from './guess';
import { Session } from './session';

await startPage(showPhase, async () => {
	const guesser = new Guesser();
	const chart = new LossChart(element('chart', HTMLElement));
	const { device, kind } = await chooseDevice(showPhase);
	if (kind === 'software') suggest({ images: 20_000 });
	if (kind === 'cpu') suggest({ images: 1000, batchSize: 16 });
	const data = await downloadMnist('mnist.bin.gz', (share) => showProgress(share, 'the images of MNIST'));
	new Session(device, data, chart, guesser);
});
