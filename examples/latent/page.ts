/** The page: a variational autoencoder lays out handwritten digits in a plane, through which a person can drag. */
import { downloadMnist } from '../mnist/download';
import { chooseDevice, showProgress, startPage } from '../page';
import './page.css';
import { showPhase, showSettings } from './controls';
import { Session } from './session';

await startPage(showPhase, async () => {
	const { device, kind } = await chooseDevice(showPhase);
	if (kind === 'software') showSettings({ images: 10_000, epochs: 3 });
	if (kind === 'cpu') showSettings({ images: 500, epochs: 1, hidden: 64 });
	const data = await downloadMnist('../mnist/mnist.bin.gz', (share) => showProgress(share, 'the images of MNIST'));
	showProgress(0, '');
	new Session(device, data);
});
