/** The page: trains a small classifier of images, and shows its mistakes and the reasons. */
import { chooseDevice, startPage } from '../page';
import './page.css';
import { showPhase, showSettings } from './controls';
import { Session } from './session';

await startPage(showPhase, async () => {
	const { device, kind } = await chooseDevice(showPhase);
	if (kind === 'software') showSettings({ images: 1000, epochs: 4 });
	if (kind === 'cpu') showSettings({ images: 60, tests: 20, epochs: 1 });
	new Session(device);
});
