import { Connection } from './connection.entity';
import { GroupMember } from './group-member.entity';
import { Identity } from './identity.entity';
import { RefreshToken } from './refresh-token.entity';
import { SignIn } from './sign-in.entity';
import { SigningKey } from './signing-key.entity';

export const identityEntities = [Connection, GroupMember, Identity, RefreshToken, SignIn, SigningKey] as const;
