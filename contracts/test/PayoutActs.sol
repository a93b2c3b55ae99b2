// SPDX-License-Identifier: MIT
pragma solidity 0.8.17;

import {ChunkedPayout} from "../src/ChunkedPayout.sol";
import {DividendDistributor} from "../src/DividendDistributor.sol";
import {ICashToken} from "../src/interfaces/ICashToken.sol";
import {MockUSDC} from "../src/MockUSDC.sol";
import {Chunks} from "./Chunks.sol";
import {Test} from "./Test.sol";

/// @notice Several payouts at once, holders that come on and off the blacklist, claims, redirects and cancellations; all
///         allowed, so none may revert, but for a wrong chunk, which counts as a breach when it is taken.
contract PayoutActs is Test {
    address private constant OWNER = address(0xA1);
    uint256 private constant HOLDERS = 6;

    MockUSDC public immutable usdc;
    DividendDistributor public immutable payouts;
    uint256 public breaches;

    /// @notice What each holder must have got or be owed by now, summed over all payouts and holders.
    uint256 public distributed;
    uint256 public surplus;
    bytes32[] public ids;

    mapping(bytes32 => uint256[][]) private _chunks;
    mapping(bytes32 => bytes32[]) private _heads;
    mapping(bytes32 => uint256) private _next;
    mapping(bytes32 => bool) private _cancelled;

    constructor() {
        vm.warp(1_800_000_000);
        usdc = new MockUSDC(address(this));
        payouts = new DividendDistributor(ICashToken(address(usdc)), OWNER, 12 hours);
        vm.prank(OWNER);
        payouts.appoint("payer", address(this));
        usdc.approve(address(payouts), type(uint256).max);
    }

    function declare(uint256 seed) external {
        if (ids.length == 8) return;
        bytes32 id = bytes32(ids.length + 1);
        ids.push(id);
        uint256 total = 0;
        for (uint256 chunk = 0; chunk < 1 + seed % 3; ++chunk) {
            uint256[] memory words = new uint256[](1 + (seed >> 8) % 3);
            for (uint256 i = 0; i < words.length; ++i) {
                seed = uint256(keccak256(abi.encode(seed)));
                uint256 amount = (seed >> 16) % 1_000_000;
                words[i] = Chunks.word(holder(seed), amount);
                total += amount;
            }
            _chunks[id].push(words);
        }
        _heads[id] = Chunks.chain(_chunks[id]);
        usdc.mint(address(this), total);
        payouts.declare(id, address(this), total, _heads[id][0]);
    }

    function pay(uint256 which) external {
        if (ids.length == 0) return;
        bytes32 id = ids[which % ids.length];
        uint256 chunk = _next[id];
        if (_cancelled[id] || chunk == _chunks[id].length) return;
        _next[id] = chunk + 1;
        uint256[] memory words = _chunks[id][chunk];
        for (uint256 i = 0; i < words.length; ++i) distributed += words[i] >> 160;
        payouts.pay(id, words, _heads[id][chunk + 1]);
    }

    function payAnyChunk(uint256 which, uint256 chunk) external {
        if (ids.length == 0) return;
        bytes32 id = ids[which % ids.length];
        chunk %= _chunks[id].length;
        if (!_cancelled[id] && chunk == _next[id]) return;
        try payouts.pay(id, _chunks[id][chunk], _heads[id][chunk + 1]) {
            ++breaches;
        } catch {}
    }

    function blacklist(uint256 who, bool blacklisted) external {
        usdc.setBlacklisted(holder(who), blacklisted);
    }

    function claim(uint256 which, uint256 who) external {
        if (ids.length == 0) return;
        (bytes32 id, address wallet) = (ids[which % ids.length], holder(who));
        if (payouts.owed(id, wallet) == 0 || usdc.isBlacklisted(wallet)) return;
        payouts.claim(id, wallet);
    }

    function redirect(uint256 which, uint256 who, uint256 to) external {
        if (ids.length == 0) return;
        (bytes32 id, address wallet) = (ids[which % ids.length], holder(who));
        if (payouts.owed(id, wallet) == 0) return;
        vm.startPrank(OWNER);
        payouts.queueRedirect(id, wallet, holder(to));
        vm.warp(block.timestamp + 12 hours);
        payouts.executeRedirect(id, wallet);
        vm.stopPrank();
    }

    function cancel(uint256 which) external {
        if (ids.length == 0 || which % 4 > 0) return;
        bytes32 id = ids[(which / 4) % ids.length];
        if (payouts.payoutOf(id).head == 0) return;
        _cancelled[id] = true;
        vm.prank(OWNER);
        payouts.cancel(id);
    }

    function giveSurplus(uint256 amount) external {
        amount = bound(amount, 1, 1e6);
        usdc.mint(address(payouts), amount);
        surplus += amount;
    }

    function holder(uint256 who) public pure returns (address) {
        return address(uint160(0xB1 + who % HOLDERS));
    }

    /// @return paid Held by the holders, owed to them, and what the payouts say of both.
    function sums() external view returns (uint256 paid, uint256 owed, uint256 paidBooked, uint256 owedBooked, uint256 due) {
        for (uint256 i = 0; i < HOLDERS; ++i) paid += usdc.balanceOf(holder(i));
        for (uint256 p = 0; p < ids.length; ++p) {
            ChunkedPayout.Payout memory payout = payouts.payoutOf(ids[p]);
            for (uint256 i = 0; i < HOLDERS; ++i) owed += payouts.owed(ids[p], holder(i));
            paidBooked += payout.paidUsdcMicros;
            owedBooked += payout.owedUsdcMicros;
            due += payout.totalUsdcMicros - payout.paidUsdcMicros;
        }
    }
}
