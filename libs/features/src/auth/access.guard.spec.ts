import { Controller, Get, Type } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { Allow, Public } from '@muster/platform/http/access';
import { RateLimits } from '@muster/platform/http/rate-limits';
import { AccessGuard } from './access.guard';
import { AuthService } from './auth.service';

@Controller('closed')
class ClosedController {
  @Get()
  @Allow('leads:read')
  list() {}

  @Get('open')
  @Public()
  open() {}

  notARoute() {}
}

@Controller('forgetful')
class ForgetfulController {
  @Get()
  @Public()
  list() {}

  @Get(':id')
  get() {}
}

class InheritingController extends ForgetfulController {}
Controller('inheriting')(InheritingController);

async function boot(...controllers: Type[]) {
  const module = await Test.createTestingModule({
    imports: [DiscoveryModule],
    controllers,
    providers: [AccessGuard, { provide: AuthService, useValue: {} }, { provide: RateLimits, useValue: {} }],
  }).compile();
  await module.init();
  await module.close();
}

describe('routes', () => {
  it('boot when each says who may enter', async () => {
    await expect(boot(ClosedController)).resolves.toBeUndefined();
  });

  it('do not boot when one does not, and it is named', async () => {
    await expect(boot(ClosedController, ForgetfulController)).rejects.toThrow('ForgetfulController.get');
  });

  it('do not boot when an inherited one does not', async () => {
    await expect(boot(InheritingController)).rejects.toThrow('InheritingController.get');
  });
});
