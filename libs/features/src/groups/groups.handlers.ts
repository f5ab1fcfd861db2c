import { Injectable, OnModuleInit } from '@nestjs/common';
import { Dispatcher } from '@muster/platform/broker/dispatcher';
import { groupDeleted, groupPartlyCleared } from './groups.events';
import { GroupsService } from './groups.service';

@Injectable()
export class GroupsHandlers implements OnModuleInit {
  constructor(
    private readonly dispatcher: Dispatcher,
    private readonly groups: GroupsService,
  ) {}

  onModuleInit(): void {
    this.dispatcher.on('groups.clear', groupDeleted, (tx, { id }) => this.groups.clear(tx, id));
    this.dispatcher.on('groups.clear-rest', groupPartlyCleared, (tx, { id }) => this.groups.clear(tx, id));
  }
}
