/** The page: a network learns two classes in the plane, and optimizers race down a surface. */
import { chooseDevice, startPage } from '../page';
import './page.css';
import { showPhase } from './controls';
import { RaceCard } from './raceCard';
import { Session } from './session';

await startPage(showPhase, async () => {
	const { device } = await chooseDevice(showPhase);
	new Session(device);
	new RaceCard(device);
});
